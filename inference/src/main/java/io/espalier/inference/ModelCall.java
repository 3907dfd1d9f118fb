package io.espalier.inference;

import java.util.Map;
import java.util.Objects;

/**
 * One call of a model.
 *
 * @param model name of the model's folder in the repository
 * @param inputs tensors by input name, each with the batch dimension first
 * @param deadlineNanos the {@link System#nanoTime()} after which the caller no longer waits; work
 *     that cannot start before it is refused, never started
 * @param priority 0 is served before 1, and so on
 * @param queueTimeoutNanos how long it may wait, where the model lets a call ask for less than its
 *     queue's own timeout; 0 asks for nothing
 */
public record ModelCall(
    String model,
    Map<String, Tensor> inputs,
    long deadlineNanos,
    int priority,
    long queueTimeoutNanos) {
  public ModelCall {
    Objects.requireNonNull(model, "model");
    inputs = Map.copyOf(inputs);
    if (priority < 0) {
      throw new IllegalArgumentException("priority: " + priority + " (expected: >= 0)");
    }
    if (queueTimeoutNanos < 0) {
      throw new IllegalArgumentException(
          "queue timeout: " + queueTimeoutNanos + " ns (expected: >= 0)");
    }
  }

  /** A call that waits as long as the model's queue lets it. */
  public ModelCall(String model, Map<String, Tensor> inputs, long deadlineNanos, int priority) {
    this(model, inputs, deadlineNanos, priority, 0);
  }

  /** A call of the highest priority. */
  public ModelCall(String model, Map<String, Tensor> inputs, long deadlineNanos) {
    this(model, inputs, deadlineNanos, 0);
  }
}
