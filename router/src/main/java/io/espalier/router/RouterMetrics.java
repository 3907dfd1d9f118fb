package io.espalier.router;

import io.espalier.router.v1.Degradation;
import io.espalier.router.v1.StageFact;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.DoubleHistogram;
import io.opentelemetry.api.metrics.LongCounter;
import io.opentelemetry.api.metrics.Meter;
import io.opentelemetry.api.trace.Span;
import java.util.Locale;

/** What the router counts: time and own time by route, degradations by stage and reason, pages. */
final class RouterMetrics {
  private static final AttributeKey<String> ROUTE = AttributeKey.stringKey("espalier.route");
  private static final AttributeKey<String> ARM = AttributeKey.stringKey("espalier.arm");
  private static final AttributeKey<String> STAGE = AttributeKey.stringKey("espalier.stage");
  private static final AttributeKey<String> OUTCOME = AttributeKey.stringKey("espalier.outcome");
  private static final AttributeKey<String> KIND = AttributeKey.stringKey("espalier.kind");
  private static final AttributeKey<String> REASON = AttributeKey.stringKey("espalier.reason");

  private final DoubleHistogram durations;
  private final DoubleHistogram selfTimes;
  private final DoubleHistogram stageTimes;
  private final LongCounter degraded;
  private final LongCounter degradations;
  private final LongCounter pinnedPages;
  private final LongCounter slow;
  private final LongCounter secondCalls;

  RouterMetrics(Meter meter) {
    durations = seconds(meter, "espalier.router.duration", "Time of a routed request");
    selfTimes =
        seconds(
            meter,
            "espalier.router.self_time",
            "A routed request's time less its waiting for stages");
    stageTimes =
        seconds(
            meter,
            "espalier.router.stage.duration",
            "Time of a stage's call from the router, by route, stage and outcome");
    degraded =
        counter(
            meter, "espalier.router.degraded", "Answers with at least one degradation, by route");
    degradations =
        counter(meter, "espalier.router.degradations", "Degradations, by route, stage and reason");
    pinnedPages =
        counter(meter, "espalier.router.pinned_pages", "Pages that were served from a pinned list");
    slow =
        counter(
            meter,
            "espalier.router.slow",
            "Requests that took longer than their route's objective");
    secondCalls =
        counter(
            meter, "espalier.router.second_calls", "Calls of stages that were made again, by kind");
  }

  /** Why a stage was called a second time, or was not. */
  enum SecondCall {
    /** The first call was lost. */
    RETRY,
    /** The first call is slow. */
    HEDGE,
    /** The budget did not allow it. */
    DENIED
  }

  /**
   * Makes what is counted of a route known before anything is: an alarm has to see the first one as
   * a rise.
   */
  void route(String route, String arm) {
    slow.add(0, Attributes.of(ROUTE, route, ARM, arm));
  }

  void secondCall(String route, String stage, SecondCall kind) {
    secondCalls.add(
        1, Attributes.of(ROUTE, route, STAGE, stage, KIND, kind.name().toLowerCase(Locale.ROOT)));
  }

  private static DoubleHistogram seconds(Meter meter, String name, String description) {
    return meter.histogramBuilder(name).setUnit("s").setDescription(description).build();
  }

  private static LongCounter counter(Meter meter, String name, String description) {
    return meter.counterBuilder(name).setDescription(description).build();
  }

  void answered(Route plan, String arm, RequestRun run) {
    String route = plan.name();
    Attributes attributes = Attributes.of(ROUTE, route, ARM, arm);
    long elapsed = run.elapsed();
    durations.record(elapsed * 1e-9, attributes);
    if (elapsed > plan.slo().toNanos()) {
      slow.add(1, attributes);
    }
    selfTimes.record(run.selfTime() * 1e-9, attributes);
    if (stageTimes.isEnabled()) {
      for (StageFact fact : run.facts()) {
        stageTimes.record(
            fact.getDurationMicros() * 1e-6,
            Attributes.of(ROUTE, route, STAGE, fact.getStage(), OUTCOME, fact.getOutcome()));
      }
    }
    Span.current().setAttribute(ROUTE, route).setAttribute(ARM, arm);
    if (!run.degradations().isEmpty()) {
      degraded.add(1, attributes);
    }
    for (Degradation degradation : run.degradations()) {
      degradations.add(
          1,
          Attributes.of(
              ROUTE, route, STAGE, degradation.getStage(), REASON, degradation.getReason().name()));
    }
  }

  void pinnedPage(String route) {
    pinnedPages.add(1, Attributes.of(ROUTE, route));
  }
}
