package io.espalier.ranking;

import io.espalier.bundles.BundleId;
import io.espalier.stores.features.FeatureStore;
import io.espalier.stores.features.HitCounter;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.Meter;
import io.opentelemetry.api.metrics.ObservableLongCounter;
import java.util.Map;

/** Reports, for one bundle, how often each feature was known and how often its default served. */
final class FeatureMetrics implements AutoCloseable {
  static final AttributeKey<String> BUNDLE = AttributeKey.stringKey("bundle");
  static final AttributeKey<String> FEATURE = AttributeKey.stringKey("feature");
  static final AttributeKey<Boolean> HIT = AttributeKey.booleanKey("hit");

  private final ObservableLongCounter counter;

  FeatureMetrics(Meter meter, BundleId bundle, FeatureStore features) {
    Map<String, HitCounter> counters = features.counters();
    this.counter =
        meter
            .counterBuilder("espalier.ranking.feature.lookups")
            .setDescription("Look-ups of item features; hit=false where the default was served")
            .buildWithCallback(
                measurement ->
                    counters.forEach(
                        (name, count) -> {
                          measurement.record(count.hits(), attributes(bundle, name, true));
                          measurement.record(count.misses(), attributes(bundle, name, false));
                        }));
  }

  private static Attributes attributes(BundleId bundle, String feature, boolean hit) {
    return Attributes.of(BUNDLE, bundle.toString(), FEATURE, feature, HIT, hit);
  }

  @Override
  public void close() {
    counter.close();
  }
}
