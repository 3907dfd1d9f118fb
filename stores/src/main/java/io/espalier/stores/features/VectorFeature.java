package io.espalier.stores.features;

import java.util.Arrays;

/** A vector of every item, with a default for items that have none. */
public final class VectorFeature {
  private final String name;
  private final RowIndex index;
  private final float[] values;
  private final float[] fallback;
  private final HitCounter counter = new HitCounter();

  /**
   * Takes the arrays as they are.
   *
   * @param name the feature's name
   * @param index row of each item in {@code values}
   * @param values rows of {@code fallback.length} elements
   * @param fallback served for an item that has no row
   */
  public VectorFeature(String name, RowIndex index, float[] values, float[] fallback) {
    if (fallback.length == 0 || values.length % fallback.length != 0) {
      throw new IllegalArgumentException(
          name
              + ": "
              + values.length
              + " values (expected: a multiple of the default's "
              + fallback.length
              + ")");
    }
    this.name = name;
    this.index = index;
    this.values = values;
    this.fallback = fallback;
  }

  public String name() {
    return name;
  }

  public int width() {
    return fallback.length;
  }

  /**
   * Copies an item's vector, or the default, into {@code out} at {@code at}.
   *
   * @return whether the item was known
   */
  public boolean read(String itemId, float[] out, int at) {
    int row = index.row(itemId);
    if (row < 0) {
      readDefault(out, at);
      return false;
    }
    counter.count(true);
    System.arraycopy(values, row * fallback.length, out, at, fallback.length);
    return true;
  }

  /** Copies the default into {@code out} at {@code at}, a miss. */
  public void readDefault(float[] out, int at) {
    counter.count(false);
    System.arraycopy(fallback, 0, out, at, fallback.length);
  }

  /** The same feature of no item. */
  VectorFeature withoutRows() {
    return new VectorFeature(name, unused -> -1, new float[0], fallback);
  }

  public HitCounter counter() {
    return counter;
  }

  @Override
  public String toString() {
    return name + Arrays.toString(new int[] {values.length / fallback.length, fallback.length});
  }
}
