package io.espalier.oip;

import io.espalier.inference.ModelException;
import io.espalier.inference.Tensor;
import io.espalier.inference.oip.v2.ModelInferRequest;
import io.espalier.inference.oip.v2.ModelInferResponse;
import io.espalier.server.RequestException;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Consumer;

/** A request that the engine has taken. */
final class Inference {
  private final ModelInferRequest request;
  private final ServedModel model;
  private final long deadlineNanos;
  private final CompletableFuture<Map<String, Tensor>> result;
  private final ServedModels models;

  Inference(
      ModelInferRequest request,
      ServedModel model,
      long deadlineNanos,
      CompletableFuture<Map<String, Tensor>> result,
      ServedModels models) {
    this.request = request;
    this.model = model;
    this.deadlineNanos = deadlineNanos;
    this.result = result;
    this.models = models;
  }

  /** Leaves the engine's queue, or abandons the result. */
  void cancel() {
    result.cancel(true);
  }

  /** Calls one of the two, on the engine's thread: both should be short. */
  void whenDone(Consumer<ModelInferResponse> answered, Consumer<Throwable> failed) {
    var unused =
        result.whenComplete(
            (outputs, error) -> {
              try {
                if (error == null) {
                  answered.accept(InferWriter.response(request, model, outputs));
                } else {
                  failed.accept(refusal(error));
                }
              } catch (RuntimeException | Error e) {
                failed.accept(e);
              }
            });
  }

  /** The engine's refusals with Triton's codes and words. */
  private Throwable refusal(Throwable error) {
    Throwable cause = error instanceof CompletionException ? error.getCause() : error;
    if (!(cause instanceof ModelException refusal)) {
      return cause == null ? error : cause;
    }
    return switch (refusal.reason()) {
      case UNKNOWN_MODEL, NOT_READY ->
          models.missing(request.getModelName(), request.getModelVersion(), refusal.reason());
      case INVALID_INPUT ->
          RequestException.invalidArgument(InferReader.by(request) + refusal.getMessage());
      case QUEUE_FULL ->
          RequestException.unavailable(InferReader.by(request) + "Exceeds maximum queue size");
      case EXPIRED ->
          deadlineNanos - System.nanoTime() <= 0
              ? RequestException.deadlineExceeded("not done in time")
              : RequestException.unavailable("Request timeout expired");
      case FAILED -> RequestException.internal(InferReader.by(request) + refusal.getMessage());
    };
  }
}
