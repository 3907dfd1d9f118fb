package io.espalier.ranking;

import io.espalier.inference.DataType;
import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.ModelRunner;
import io.espalier.inference.Tensor;
import io.espalier.server.Priority;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * The model calls of one request: started side by side under one deadline, cancelled together.
 *
 * <p>All failures are {@link ModelException}s, but for the {@link CancellationException} of a
 * cancelled request.
 */
final class ModelCalls {
  private final ModelRunner runner;
  private final long deadlineNanos;
  private final List<CompletableFuture<?>> started = new CopyOnWriteArrayList<>();
  private volatile boolean cancelled;

  ModelCalls(ModelRunner runner, long deadlineNanos) {
    this.runner = runner;
    this.deadlineNanos = deadlineNanos;
  }

  /** A call that has been started. */
  interface Pending {
    /** Waits for the floats of the call's output. */
    float[] floats();
  }

  /** Starts a call and returns at once; the output must be FP32 and of batch size 1. */
  Pending start(String model, Map<String, Tensor> inputs, String output) {
    CompletableFuture<Map<String, Tensor>> call =
        runner.infer(new ModelCall(model, inputs, deadlineNanos, Priority.current()));
    started.add(call);
    if (cancelled) {
      call.cancel(false);
    }
    return () -> await(call, model, output);
  }

  /** Cancels every call that has not ended. */
  void cancel() {
    cancelled = true;
    started.forEach(call -> call.cancel(false));
  }

  private float[] await(CompletableFuture<Map<String, Tensor>> call, String model, String output) {
    try {
      long left = Math.max(0, deadlineNanos - System.nanoTime());
      Tensor tensor = call.get(left, TimeUnit.NANOSECONDS).get(output);
      if (tensor == null || tensor.type() != DataType.FP32 || tensor.dim(0) != 1) {
        throw new ModelException(
            Reason.FAILED, model + ": " + output + ": " + tensor + " (expected: FP32, one row)");
      }
      float[] values = new float[tensor.floats().remaining()];
      tensor.floats().get(values);
      return values;
    } catch (TimeoutException e) {
      cancel();
      throw new ModelException(Reason.EXPIRED, model + ": not done in time", e);
    } catch (InterruptedException e) {
      cancel();
      Thread.currentThread().interrupt();
      throw new CancellationException(model + ": interrupted");
    } catch (ExecutionException e) {
      cancel();
      if (e.getCause() instanceof ModelException failure) {
        throw failure;
      }
      throw new ModelException(Reason.FAILED, model + ": " + e.getCause(), e);
    }
  }
}
