package io.espalier.inference;

import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Scope;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/**
 * A runner whose calls are spans, from the queue to the outputs, of the trace that asks. What
 * belongs to no request, a warm-up, begins no trace.
 */
public final class TracedModelRunner implements ModelRunner {
  private static final AttributeKey<String> MODEL = AttributeKey.stringKey("espalier.model");

  private final ModelRunner runner;
  private final Tracer tracer;

  private TracedModelRunner(ModelRunner runner, Tracer tracer) {
    this.runner = runner;
    this.tracer = tracer;
  }

  /** The same runner with spans; the runner itself where nothing is traced. */
  public static ModelRunner of(ModelRunner runner, OpenTelemetry telemetry) {
    return telemetry.getPropagators().getTextMapPropagator().fields().isEmpty()
        ? runner
        : new TracedModelRunner(runner, telemetry.getTracer("io.espalier.inference"));
  }

  @Override
  public CompletableFuture<Map<String, Tensor>> infer(ModelCall call) {
    if (!Span.current().getSpanContext().isValid()) {
      return runner.infer(call);
    }
    Span span =
        tracer
            .spanBuilder("model " + call.model())
            .setSpanKind(SpanKind.INTERNAL)
            .setAttribute(MODEL, call.model())
            .startSpan();
    try (Scope _ = span.makeCurrent()) {
      CompletableFuture<Map<String, Tensor>> result = runner.infer(call);
      var unused =
          result.whenComplete(
              (outputs, error) -> {
                if (error != null) {
                  span.setStatus(StatusCode.ERROR, String.valueOf(error.getMessage()));
                }
                span.end();
              });
      return result;
    } catch (RuntimeException e) {
      span.setStatus(StatusCode.ERROR, String.valueOf(e.getMessage()));
      span.end();
      throw e;
    }
  }

  @Override
  public ModelSpec spec(String model) {
    return runner.spec(model);
  }

  @Override
  public boolean isReady(String model) {
    return runner.isReady(model);
  }

  @Override
  public void load(Path folder) {
    runner.load(folder);
  }

  @Override
  public void unload(String model) {
    runner.unload(model);
  }

  @Override
  public void close() {
    runner.close();
  }
}
