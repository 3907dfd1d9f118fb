package io.espalier.oip;

import io.espalier.inference.ModelCall;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import io.espalier.inference.oip.v2.ModelInferRequest;

/** Hands requests to the engine. */
final class Inferences {
  private final EmbeddedModelRunner engine;
  private final ServedModels models;

  Inferences(EmbeddedModelRunner engine, ServedModels models) {
    this.engine = engine;
    this.models = models;
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
    return new Inference(request, model, deadlineNanos, engine.infer(call), models);
  }
}
