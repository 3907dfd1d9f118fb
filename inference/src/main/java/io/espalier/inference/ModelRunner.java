package io.espalier.inference;

import io.espalier.inference.ModelException.Reason;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/**
 * Runs models of one model repository: tensors in, tensors out.
 *
 * <p>Two implementations pass one contract test: embedded (ONNX Runtime in this process) and Triton
 * (gRPC). Safe for use by many threads.
 */
public interface ModelRunner extends AutoCloseable {

  /**
   * Starts a call and returns at once.
   *
   * <p>The future fails with a {@link ModelException} of the kind that says why: unknown model, bad
   * input, queue full, expired, not ready, failed. Cancelling the future takes a call that is still
   * queued out of the queue, and abandons the result of one that has started.
   *
   * @return the outputs by name; each has the call's batch dimension first
   */
  CompletableFuture<Map<String, Tensor>> infer(ModelCall call);

  /**
   * Returns what a model takes and gives; fails with {@link ModelException} when the repository has
   * no such model.
   */
  ModelSpec spec(String model);

  /** Returns whether the model is loaded, warmed and takes calls. */
  boolean isReady(String model);

  /**
   * Loads a model that the repository does not hold, by its folder's name; it takes calls when this
   * returns. The folder is read once.
   *
   * @param folder of Triton's layout
   * @throws ModelException when it does not load, or this runner loads nothing of its own
   */
  default void load(Path folder) {
    throw new ModelException(
        Reason.FAILED, folder + ": this runner loads no models (expected: one that does)");
  }

  /** Takes a model out: further calls are refused, those that wait or run end. */
  default void unload(String model) {}

  /** Refuses further calls, lets running ones end, and frees the models. */
  @Override
  void close();
}
