package io.espalier.stores.features;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The features of items by name, each with its default on a miss and a count of hits and misses.
 *
 * <p>Embedded: tables of the process. Safe for use by many threads.
 */
public final class FeatureStore {
  private final Map<String, VectorFeature> vectors = new LinkedHashMap<>();
  private final Map<String, CategoryFeature> categories = new LinkedHashMap<>();

  public FeatureStore(List<VectorFeature> vectors, List<CategoryFeature> categories) {
    vectors.forEach(feature -> put(this.vectors, feature.name(), feature));
    categories.forEach(feature -> put(this.categories, feature.name(), feature));
  }

  private static <T> void put(Map<String, T> features, String name, T feature) {
    if (features.put(name, feature) != null) {
      throw new IllegalArgumentException("feature: " + name + " twice (expected: once)");
    }
  }

  /** The vector feature of this name. */
  public VectorFeature vector(String name) {
    return get(vectors, name);
  }

  /** The categorical feature of this name. */
  public CategoryFeature category(String name) {
    return get(categories, name);
  }

  private static <T> T get(Map<String, T> features, String name) {
    T feature = features.get(name);
    if (feature == null) {
      throw new IllegalArgumentException(
          "feature: " + name + " (expected: one of " + features.keySet() + ")");
    }
    return feature;
  }

  /** Hits and misses by feature. */
  public Map<String, HitCounter> counters() {
    Map<String, HitCounter> counters = new LinkedHashMap<>();
    vectors.forEach((name, feature) -> counters.put(name, feature.counter()));
    categories.forEach((name, feature) -> counters.put(name, feature.counter()));
    return counters;
  }
}
