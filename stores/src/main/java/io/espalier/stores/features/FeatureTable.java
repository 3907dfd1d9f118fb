package io.espalier.stores.features;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * The features of a bundle's items, all of them in memory.
 *
 * @param items that have rows
 * @param vectors of the items
 * @param categories of the items
 */
public record FeatureTable(
    List<String> items, List<VectorFeature> vectors, List<CategoryFeature> categories) {
  public FeatureTable {
    items = List.copyOf(items);
    vectors = List.copyOf(vectors);
    categories = List.copyOf(categories);
    Set<String> names = new HashSet<>();
    vectors.forEach(feature -> once(names, feature.name()));
    categories.forEach(feature -> once(names, feature.name()));
  }

  private static void once(Set<String> names, String name) {
    if (!names.add(name)) {
      throw new IllegalArgumentException("feature: " + name + " twice (expected: once)");
    }
  }

  /** The same features, and their defaults, of no item. */
  public FeatureTable withoutRows() {
    return new FeatureTable(
        List.of(),
        vectors.stream().map(VectorFeature::withoutRows).toList(),
        categories.stream().map(CategoryFeature::withoutRows).toList());
  }

  /** The features in the order in which they stand in a row, as {@code name:width}. */
  public String layout() {
    StringBuilder layout = new StringBuilder();
    vectors.forEach(
        feature -> layout.append(feature.name()).append(':').append(feature.width()).append(' '));
    categories.forEach(feature -> layout.append(feature.name()).append(":int "));
    return layout.toString().strip();
  }

  /** Bytes of a row. */
  public int rowBytes() {
    int numbers = categories.size();
    for (VectorFeature vector : vectors) {
      numbers += vector.width();
    }
    return numbers * Integer.BYTES;
  }

  /** An item's row: FP32 and INT32, least byte first, in the order of {@link #layout}. */
  public byte[] row(String item) {
    ByteBuffer row = ByteBuffer.allocate(rowBytes()).order(ByteOrder.LITTLE_ENDIAN);
    for (VectorFeature vector : vectors) {
      float[] values = new float[vector.width()];
      vector.read(item, values, 0);
      for (float value : values) {
        row.putFloat(value);
      }
    }
    categories.forEach(feature -> row.putInt(feature.read(item)));
    return row.array();
  }
}
