package io.espalier.inference;

import io.espalier.inference.ModelException.Reason;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
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

  private final ModelMeters meters;
  private final Attributes model;
  private final Map<Reason, Attributes> reasons = new EnumMap<>(Reason.class);
  private final IntSupplier queued;

  ModelMetrics(ModelMeters meters, String series, IntSupplier queued) {
    this.meters = meters;
    this.queued = queued;
    model = Attributes.of(MODEL, series);
    for (Reason reason : Reason.values()) {
      reasons.put(
          reason, Attributes.of(MODEL, series, REASON, reason.name().toLowerCase(Locale.ROOT)));
    }
    // Who watches has to see the first one as a rise.
    reasons.values().forEach(reason -> meters.refusals.add(0, reason));
    meters.cancellations.add(0, model);
  }

  Attributes attributes() {
    return model;
  }

  int queued() {
    return queued.getAsInt();
  }

  /** A call of a trace has waited, and its run starts. */
  public void started(Context trace, long waitedNanos) {
    Span.fromContext(trace).addEvent("run started");
    meters.queueTime.record(waitedNanos / 1e9, model, trace);
  }

  /** A run has ended; the trace of its first call stands for it. */
  public void ran(List<Context> traces, int batchRows, long nanos) {
    for (Context trace : traces) {
      Span.fromContext(trace).setAttribute(BATCH, (long) batchRows);
    }
    Context trace = traces.getFirst();
    meters.rows.record(batchRows, model, trace);
    meters.computeTime.record(nanos / 1e9, model, trace);
  }

  /** A call was refused or failed. */
  public void refused(Reason reason) {
    meters.refusals.add(1, reasons.getOrDefault(reason, model));
  }

  /** A call's caller gave up. */
  public void cancelled() {
    meters.cancellations.add(1, model);
  }

  @Override
  public void close() {
    meters.ended(this);
  }
}
