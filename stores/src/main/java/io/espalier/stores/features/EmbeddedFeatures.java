package io.espalier.stores.features;

import java.time.Duration;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;

/** Features in tables of this process. */
public final class EmbeddedFeatures implements FeatureStore {
  private final Map<String, VectorFeature> vectors = new LinkedHashMap<>();
  private final Map<String, CategoryFeature> categories = new LinkedHashMap<>();
  private final FeatureRows rows = new Rows();

  public EmbeddedFeatures(FeatureTable table) {
    table.vectors().forEach(feature -> vectors.put(feature.name(), feature));
    table.categories().forEach(feature -> categories.put(feature.name(), feature));
  }

  /** {@inheritDoc} Nothing is waited for, and any item can be read. */
  @Override
  public FeatureRows rows(Collection<String> items, Duration within) {
    return rows;
  }

  private final class Rows implements FeatureRows {
    @Override
    public boolean vector(String feature, String item, float[] out, int at) {
      return get(vectors, feature).read(item, out, at);
    }

    @Override
    public int category(String feature, String item) {
      return get(categories, feature).read(item);
    }

    @Override
    public boolean isLate() {
      return false;
    }
  }

  private static <T> T get(Map<String, T> features, String name) {
    T feature = features.get(name);
    if (feature == null) {
      throw new IllegalArgumentException(
          "feature: " + name + " (expected: one of " + features.keySet() + ")");
    }
    return feature;
  }

  @Override
  public Map<String, HitCounter> counters() {
    Map<String, HitCounter> counters = new LinkedHashMap<>();
    vectors.forEach((name, feature) -> counters.put(name, feature.counter()));
    categories.forEach((name, feature) -> counters.put(name, feature.counter()));
    return counters;
  }

  @Override
  public Map<FetchOutcome, Long> fetches() {
    return Map.of();
  }

  @Override
  public void close() {}
}
