package io.espalier.ranking;

import io.espalier.bundles.BundleId;
import io.espalier.stores.features.FeatureStore;
import io.espalier.stores.features.HitCounter;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.Meter;
import io.opentelemetry.api.metrics.ObservableLongCounter;
import java.util.Locale;
import java.util.Map;

/** Reports, for one ranker, how often each feature was known and how often its default served. */
final class FeatureMetrics implements AutoCloseable {
  static final AttributeKey<String> RANKER = AttributeKey.stringKey("ranker");
  static final AttributeKey<String> BUNDLE = AttributeKey.stringKey("bundle");
  static final AttributeKey<String> FEATURE = AttributeKey.stringKey("feature");
  static final AttributeKey<Boolean> HIT = AttributeKey.booleanKey("hit");

  static final AttributeKey<String> OUTCOME = AttributeKey.stringKey("outcome");

  private final ObservableLongCounter counter;
  private final ObservableLongCounter fetches;

  /**
   * @param ranker the bundle that is asked for
   * @param bundle the bundle that the features belong to, which may serve in several rankers
   */
  FeatureMetrics(Meter meter, BundleId ranker, BundleId bundle, FeatureStore features) {
    Attributes owner = Attributes.of(RANKER, ranker.toString(), BUNDLE, bundle.toString());
    Map<String, HitCounter> counters = features.counters();
    this.fetches =
        meter
            .counterBuilder("espalier.ranking.feature.fetches")
            .setDescription("Look-ups of features at a server, by how they ended")
            .buildWithCallback(
                measurement ->
                    features
                        .fetches()
                        .forEach(
                            (outcome, count) ->
                                measurement.record(
                                    count,
                                    owner.toBuilder()
                                        .put(OUTCOME, outcome.name().toLowerCase(Locale.ROOT))
                                        .build())));
    this.counter =
        meter
            .counterBuilder("espalier.ranking.feature.lookups")
            .setDescription("Look-ups of item features; hit=false where the default was served")
            .buildWithCallback(
                measurement ->
                    counters.forEach(
                        (name, count) -> {
                          measurement.record(count.hits(), attributes(owner, name, true));
                          measurement.record(count.misses(), attributes(owner, name, false));
                        }));
  }

  private static Attributes attributes(Attributes owner, String feature, boolean hit) {
    return owner.toBuilder().put(FEATURE, feature).put(HIT, hit).build();
  }

  @Override
  public void close() {
    counter.close();
    fetches.close();
  }
}
