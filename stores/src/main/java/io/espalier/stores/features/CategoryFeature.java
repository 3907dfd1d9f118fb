package io.espalier.stores.features;

/** A small number for every item (a brand's, a category's), with a default for unknown items. */
public final class CategoryFeature {
  private final String name;
  private final RowIndex index;
  private final int[] values;
  private final int fallback;
  private final HitCounter counter = new HitCounter();

  /**
   * Takes the array as it is.
   *
   * @param name the feature's name
   * @param index row of each item in {@code values}
   * @param values one an item
   * @param fallback served for an item that has no row
   */
  public CategoryFeature(String name, RowIndex index, int[] values, int fallback) {
    this.name = name;
    this.index = index;
    this.values = values;
    this.fallback = fallback;
  }

  public String name() {
    return name;
  }

  /** The item's value, or the default. */
  public int read(String itemId) {
    int row = index.row(itemId);
    if (row < 0) {
      return readDefault();
    }
    counter.count(true);
    return values[row];
  }

  /** The default, a miss. */
  public int readDefault() {
    counter.count(false);
    return fallback;
  }

  /** The same feature of no item. */
  CategoryFeature withoutRows() {
    return new CategoryFeature(name, unused -> -1, new int[0], fallback);
  }

  public HitCounter counter() {
    return counter;
  }
}
