package io.espalier.rewrite;

import io.espalier.bundles.BundleId;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.LongCounter;
import io.opentelemetry.api.metrics.Meter;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;

/** Counts, for one bundle, where the answers to its queries were found. */
final class RewriteMetrics {
  private static final AttributeKey<String> BUNDLE = AttributeKey.stringKey("bundle");
  private static final AttributeKey<String> OUTCOME = AttributeKey.stringKey("outcome");

  private final LongCounter counter;
  private final Map<Outcome, Attributes> attributes = new EnumMap<>(Outcome.class);

  /** What became of a query. */
  enum Outcome {
    /** The table knew it. */
    TABLE,
    /** The cache of model answers knew it. */
    CACHE,
    /** The model answered in its budget. */
    MODEL,
    /** The model did not answer in its budget, or was too busy to be asked. */
    LATE,
    /** The model failed. */
    FAILED,
    /** Nothing knows it, and the bundle has no model. */
    NONE
  }

  RewriteMetrics(Meter meter, BundleId bundle) {
    this.counter =
        meter
            .counterBuilder("espalier.rewrite.queries")
            .setDescription("Queries by where their rewrites were found")
            .build();
    for (Outcome outcome : Outcome.values()) {
      attributes.put(
          outcome,
          Attributes.of(
              BUNDLE, bundle.toString(), OUTCOME, outcome.name().toLowerCase(Locale.ROOT)));
    }
  }

  void count(Outcome outcome) {
    counter.add(1, attributes.getOrDefault(outcome, Attributes.empty()));
  }
}
