package io.espalier.inference.embedded;

import io.espalier.inference.ModelException.Reason;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.DoubleHistogram;
import io.opentelemetry.api.metrics.LongCounter;
import io.opentelemetry.api.metrics.LongHistogram;
import io.opentelemetry.api.metrics.Meter;
import io.opentelemetry.api.metrics.ObservableLongGauge;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntSupplier;

/** The measurements of one model; closed with it. */
final class ModelMetrics implements AutoCloseable {
  private static final AttributeKey<String> MODEL = AttributeKey.stringKey("model");
  private static final AttributeKey<String> REASON = AttributeKey.stringKey("reason");
  private static final List<Double> SECONDS =
      List.of(.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1.0, 2.5, 5.0);
  private static final List<Long> ROWS = List.of(1L, 2L, 4L, 8L, 16L, 32L, 64L, 128L, 256L, 512L);

  private final Attributes model;
  private final Map<Reason, Attributes> reasons = new EnumMap<>(Reason.class);
  private final DoubleHistogram queueTime;
  private final DoubleHistogram computeTime;
  private final LongHistogram rows;
  private final LongCounter refusals;
  private final LongCounter cancellations;
  private final ObservableLongGauge depth;

  ModelMetrics(Meter meter, String name, IntSupplier queued) {
    model = Attributes.of(MODEL, name);
    for (Reason reason : Reason.values()) {
      reasons.put(
          reason, Attributes.of(MODEL, name, REASON, reason.name().toLowerCase(Locale.ROOT)));
    }
    queueTime =
        meter
            .histogramBuilder("espalier.inference.queue.time")
            .setDescription("How long a call waited before its run started.")
            .setUnit("s")
            .setExplicitBucketBoundariesAdvice(SECONDS)
            .build();
    computeTime =
        meter
            .histogramBuilder("espalier.inference.compute.time")
            .setDescription("How long a run took, gathering and copying out included.")
            .setUnit("s")
            .setExplicitBucketBoundariesAdvice(SECONDS)
            .build();
    rows =
        meter
            .histogramBuilder("espalier.inference.batch.size")
            .setDescription("Rows of a run.")
            .setUnit("{row}")
            .ofLongs()
            .setExplicitBucketBoundariesAdvice(ROWS)
            .build();
    refusals =
        meter
            .counterBuilder("espalier.inference.refusals")
            .setDescription("Calls that were refused or failed, by reason.")
            .setUnit("{call}")
            .build();
    cancellations =
        meter
            .counterBuilder("espalier.inference.cancellations")
            .setDescription("Calls whose caller gave up before they ended.")
            .setUnit("{call}")
            .build();
    depth =
        meter
            .gaugeBuilder("espalier.inference.queue.depth")
            .setDescription("Calls that wait.")
            .setUnit("{call}")
            .ofLongs()
            .buildWithCallback(gauge -> gauge.record(queued.getAsInt(), model));
  }

  void started(long queuedNanos) {
    queueTime.record(queuedNanos / 1e9, model);
  }

  void ran(int batchRows, long nanos) {
    rows.record(batchRows, model);
    computeTime.record(nanos / 1e9, model);
  }

  void refused(Reason reason) {
    refusals.add(1, reasons.getOrDefault(reason, model));
  }

  void cancelled() {
    cancellations.add(1, model);
  }

  @Override
  public void close() {
    depth.close();
  }
}
