package io.espalier.router;

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.DoubleHistogram;
import io.opentelemetry.api.metrics.LongCounter;
import io.opentelemetry.api.metrics.Meter;
import java.util.List;
import java.util.Locale;

/** How a route's shadow differs from what its users were answered. */
final class ShadowMetrics {
  private static final AttributeKey<String> ROUTE = AttributeKey.stringKey("espalier.route");
  private static final AttributeKey<String> OUTCOME = AttributeKey.stringKey("espalier.outcome");

  private final LongCounter copies;
  private final DoubleHistogram overlaps;
  private final DoubleHistogram correlations;
  private final DoubleHistogram scoreDifferences;
  private final DoubleHistogram durations;
  private final DoubleHistogram answerDurations;

  /** What became of a copy. */
  enum Fate {
    /** Answered, and compared. */
    COMPARED,
    /** Answered in part, so that there is nothing to compare. */
    DEGRADED,
    /** Not answered. */
    FAILED,
    /** Not sent, because of load. */
    DROPPED
  }

  ShadowMetrics(Meter meter) {
    copies =
        meter
            .counterBuilder("espalier.router.shadow.copies")
            .setDescription("Copies of requests for a route's shadow, by what became of them")
            .build();
    overlaps =
        histogram(
            meter,
            "espalier.router.shadow.overlap",
            "Share of the page's items that the shadow's first page has too",
            List.of(0., .1, .2, .3, .4, .5, .6, .7, .8, .9, .95, .999));
    correlations =
        histogram(
            meter,
            "espalier.router.shadow.rank_correlation",
            "1 plus Kendall's tau, over 2, of the items that answer and shadow both have",
            List.of(0., .1, .2, .3, .4, .5, .6, .7, .8, .9, .95, .999));
    scoreDifferences =
        histogram(
            meter,
            "espalier.router.shadow.score_difference",
            "Mean absolute difference of the scores of items that answer and shadow both have",
            List.of(1e-6, 1e-5, 1e-4, 1e-3, 1e-2, .1, 1., 10.));
    durations = seconds(meter, "espalier.router.shadow.duration", "Time of a compared shadow");
    answerDurations =
        seconds(
            meter,
            "espalier.router.shadow.answer.duration",
            "Time of the answers that compared shadows were copies of");
  }

  private static DoubleHistogram histogram(
      Meter meter, String name, String description, List<Double> boundaries) {
    return meter
        .histogramBuilder(name)
        .setDescription(description)
        .setExplicitBucketBoundariesAdvice(boundaries)
        .build();
  }

  private static DoubleHistogram seconds(Meter meter, String name, String description) {
    return meter.histogramBuilder(name).setUnit("s").setDescription(description).build();
  }

  void count(String route, Fate fate) {
    copies.add(1, Attributes.of(ROUTE, route, OUTCOME, fate.name().toLowerCase(Locale.ROOT)));
  }

  void compared(String route, ListComparison lists, long answerNanos, long shadowNanos) {
    Attributes of = Attributes.of(ROUTE, route);
    count(route, Fate.COMPARED);
    overlaps.record(lists.overlap(), of);
    if (!Double.isNaN(lists.correlation())) {
      correlations.record((1 + lists.correlation()) / 2, of);
    }
    if (!Double.isNaN(lists.scoreDifference())) {
      scoreDifferences.record(lists.scoreDifference(), of);
    }
    durations.record(shadowNanos * 1e-9, of);
    answerDurations.record(answerNanos * 1e-9, of);
  }
}
