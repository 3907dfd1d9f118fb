package io.espalier.inference.embedded;

import io.espalier.inference.ModelCall;
import io.espalier.inference.Tensor;
import io.opentelemetry.context.Context;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;

/** A call on its way through one model: its checked inputs, its result, and when it is too late. */
final class QueuedCall {
  private final ModelCall call;
  private final Tensor[] inputs;
  private final int rows;
  private final long enqueuedNanos;
  private final Context trace = Context.current();
  private final CompletableFuture<Map<String, Tensor>> result = new CompletableFuture<>();

  /** Guarded by the queue's lock: when waiting on is refused, or moves it behind the others. */
  private long expiryNanos;

  private volatile @Nullable Future<?> timer;

  /**
   * @param inputs tensors in the order of the model's inputs
   * @param rows size of the batch dimension; 1 where the model has none
   */
  QueuedCall(ModelCall call, Tensor[] inputs, int rows, long nowNanos, long timeoutNanos) {
    this.call = call;
    this.inputs = inputs;
    this.rows = rows;
    this.enqueuedNanos = nowNanos;
    this.expiryNanos = call.deadlineNanos();
    if (timeoutNanos > 0 && nowNanos + timeoutNanos - expiryNanos < 0) {
      this.expiryNanos = nowNanos + timeoutNanos;
    }
  }

  ModelCall call() {
    return call;
  }

  Tensor input(int index) {
    return inputs[index];
  }

  int rows() {
    return rows;
  }

  int priority() {
    return call.priority();
  }

  long enqueuedNanos() {
    return enqueuedNanos;
  }

  /** The trace that the call belongs to. */
  Context trace() {
    return trace;
  }

  long expiryNanos() {
    return expiryNanos;
  }

  /** From here on only the caller's own deadline counts. */
  void expireAtDeadlineOnly() {
    expiryNanos = call.deadlineNanos();
  }

  boolean deadlinePassed(long nowNanos) {
    return call.deadlineNanos() - nowNanos <= 0;
  }

  CompletableFuture<Map<String, Tensor>> result() {
    return result;
  }

  void timer(Future<?> timer) {
    this.timer = timer;
  }

  void stopTimer() {
    Future<?> running = timer;
    if (running != null) {
      running.cancel(false);
    }
  }

  /** Whether both can be rows of one run: equal shapes but for the batch dimension. */
  boolean joins(QueuedCall other) {
    for (int i = 0; i < inputs.length; i++) {
      Tensor mine = inputs[i];
      Tensor theirs = other.inputs[i];
      if (mine.rank() != theirs.rank()) {
        return false;
      }
      for (int axis = 1; axis < mine.rank(); axis++) {
        if (mine.dim(axis) != theirs.dim(axis)) {
          return false;
        }
      }
    }
    return true;
  }

  @Override
  public String toString() {
    return call.model() + Arrays.toString(inputs);
  }
}
