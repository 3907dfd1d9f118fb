package io.espalier.oip;

import io.espalier.inference.ModelCall;
import io.espalier.inference.Tensor;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import io.espalier.inference.oip.v2.ModelInferRequest;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** Hands requests to the engine. */
final class Inferences {
  private final EmbeddedModelRunner engine;
  private final ServedModels models;
  private final Tracer tracer;

  Inferences(EmbeddedModelRunner engine, ServedModels models, Tracer tracer) {
    this.engine = engine;
    this.models = models;
    this.tracer = tracer;
  }

  /**
   * Starts a request and returns at once.
   *
   * @param deadlineNanos the {@link System#nanoTime()} after which its caller no longer waits
   * @throws io.espalier.server.RequestException when it does not fit its model
   */
  Inference start(ModelInferRequest request, long deadlineNanos) {
    ServedModel model = models.get(request.getModelName(), request.getModelVersion());
    ModelCall call = new InferReader(request, model).call(deadlineNanos);
    Span span =
        tracer
            .spanBuilder("infer " + model.name())
            .setParent(TraceContext.ofCaller())
            .setSpanKind(SpanKind.SERVER)
            .setAttribute("model", model.name())
            .setAttribute("version", model.settings().version())
            .startSpan();
    CompletableFuture<Map<String, Tensor>> result = engine.infer(call);
    var unused = result.whenComplete((outputs, error) -> end(span, error));
    return new Inference(request, model, deadlineNanos, result, models);
  }

  private static void end(Span span, @Nullable Throwable error) {
    if (error != null) {
      span.setStatus(StatusCode.ERROR, String.valueOf(error.getMessage()));
    }
    span.end();
  }
}
