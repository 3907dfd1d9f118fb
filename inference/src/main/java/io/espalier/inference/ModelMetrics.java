package io.espalier.inference;

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

/** The measurements of one model, by whatever engine it is run; closed with it. */
public final class ModelMetrics implements AutoCloseable {
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

  /**
   * @param queued how many calls wait at present
   */
  public ModelMetrics(Meter meter, String name, IntSupplier queued) {
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

  /** A call of a trace has waited, and its run starts. */
  public void started(Context trace, long waitedNanos) {
    Span.fromContext(trace).addEvent("run started");
    queueTime.record(waitedNanos / 1e9, model, trace);
  }

  /** A run has ended; the trace of its first call stands for it. */
  public void ran(List<Context> traces, int batchRows, long nanos) {
    for (Context trace : traces) {
      Span.fromContext(trace).setAttribute(BATCH, (long) batchRows);
    }
    Context trace = traces.getFirst();
    rows.record(batchRows, model, trace);
    computeTime.record(nanos / 1e9, model, trace);
  }

  /** A call was refused or failed. */
  public void refused(Reason reason) {
    refusals.add(1, reasons.getOrDefault(reason, model));
  }

  /** A call's caller gave up. */
  public void cancelled() {
    cancellations.add(1, model);
  }

  @Override
  public void close() {
    depth.close();
  }
}
