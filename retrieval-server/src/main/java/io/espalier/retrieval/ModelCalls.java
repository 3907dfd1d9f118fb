package io.espalier.retrieval;

import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelRunner;
import io.espalier.inference.Tensor;
import io.espalier.server.Priority;
import io.espalier.server.RequestException;
import io.grpc.Context;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Calls of models on behalf of a request: waits for the answer, gives the call up when the request
 * is cancelled, and is the one place that tells a runner's refusals to a caller.
 */
final class ModelCalls {
  private static final Logger log = LoggerFactory.getLogger(ModelCalls.class);

  private final ModelRunner runner;

  ModelCalls(ModelRunner runner) {
    this.runner = runner;
  }

  boolean isReady(String model) {
    return runner.isReady(model);
  }

  /**
   * Loads a model from a folder outside the repository.
   *
   * @throws ModelException when it does not load
   */
  void load(Path folder) {
    runner.load(folder);
  }

  /** Frees a model that {@link #load} loaded. */
  void unload(String model) {
    runner.unload(model);
  }

  /** Runs a model and waits, on a thread that may block. */
  Map<String, Tensor> infer(String model, Map<String, Tensor> inputs, long deadlineNanos) {
    CompletableFuture<Map<String, Tensor>> call;
    try {
      call = runner.infer(new ModelCall(model, inputs, deadlineNanos, Priority.current()));
    } catch (ModelException e) {
      throw translate(model, e);
    }
    Context context = Context.current();
    Context.CancellationListener giveUp = c -> call.cancel(true);
    context.addListener(giveUp, Runnable::run);
    try {
      return call.get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof ModelException refusal) {
        throw translate(model, refusal);
      }
      throw new IllegalStateException("model " + model + " failed", e);
    } catch (InterruptedException e) {
      call.cancel(true);
      Thread.currentThread().interrupt();
      throw (CancellationException) new CancellationException("interrupted").initCause(e);
    } finally {
      context.removeListener(giveUp);
    }
  }

  /** An output of a call, which must be there and of this shape. */
  static Tensor output(Map<String, Tensor> outputs, String model, String name, long... shape) {
    Tensor tensor = outputs.get(name);
    if (tensor == null || !Arrays.equals(tensor.shape(), shape)) {
      throw RequestException.unavailable(
          "model "
              + model
              + ": output "
              + name
              + ": "
              + tensor
              + " (expected: "
              + Arrays.toString(shape)
              + ")");
    }
    return tensor;
  }

  private static RequestException translate(String model, ModelException e) {
    return switch (e.reason()) {
      case QUEUE_FULL ->
          RequestException.resourceExhausted("model " + model + ": its queue is full");
      case EXPIRED -> RequestException.deadlineExceeded("model " + model + ": not done in time");
      case NOT_READY, UNKNOWN_MODEL ->
          RequestException.unavailable("model " + model + ": not ready");
      case INVALID_INPUT, FAILED -> {
        log.error("model {} failed", model, e);
        yield RequestException.unavailable("model " + model + ": failed");
      }
    };
  }
}
