package io.espalier.inference.embedded;

import io.espalier.inference.ModelException.Reason;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.DoubleHistogram;
import io.opentelemetry.api.metrics.LongCounter;
import io.opentelemetry.api.metrics.LongHistogram;
import io.opentelemetry.api.metrics.Meter;
import io.opentelemetry.api.metrics.ObservableLongGauge;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.context.Context;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntSupplier;

/** The measurements of one model; closed with it. */
final class ModelMetrics implements AutoCloseable {
  private static final AttributeKey<String> MODEL = AttributeKey.stringKey("model");
  private static final AttributeKey<String> REASON = AttributeKey.stringKey("reason");
  private static final AttributeKey<Long> BATCH = AttributeKey.longKey("espalier.batch.size");
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
            .build();
    computeTime =
        meter
            .histogramBuilder("espalier.inference.compute.time")
            .setDescription("How long a run took, gathering and copying out included.")
            .setUnit("s")
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
    // Who watches has to see the first one as a rise.
    reasons.values().forEach(reason -> refusals.add(0, reason));
    cancellations.add(0, model);
    depth =
        meter
            .gaugeBuilder("espalier.inference.queue.depth")
            .setDescription("Calls that wait.")
            .setUnit("{call}")
            .ofLongs()
            .buildWithCallback(gauge -> gauge.record(queued.getAsInt(), model));
  }

  void started(QueuedCall call, long now) {
    Span.fromContext(call.trace()).addEvent("run started");
    queueTime.record((now - call.enqueuedNanos()) / 1e9, model, call.trace());
  }

  /** The trace of the first call stands for the run. */
  void ran(List<QueuedCall> calls, int batchRows, long nanos) {
    for (QueuedCall call : calls) {
      Span.fromContext(call.trace()).setAttribute(BATCH, (long) batchRows);
    }
    Context trace = calls.getFirst().trace();
    rows.record(batchRows, model, trace);
    computeTime.record(nanos / 1e9, model, trace);
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
