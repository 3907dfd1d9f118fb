package io.espalier.inference.triton;

import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.Tensor;
import io.grpc.ClientCall;
import io.grpc.Context;
import io.grpc.Status;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * A call on its way to the server and back.
 *
 * <p>It may be sent when another ends, on a thread of that one's request: it keeps the context that
 * it was made in, so that it ends with its own request and has its own trace.
 */
final class SentCall {
  private final ModelCall call;
  private final Context request = Context.current();
  private final io.opentelemetry.context.Context trace = io.opentelemetry.context.Context.current();
  private final long enqueuedNanos = System.nanoTime();
  private final CompletableFuture<Map<String, Tensor>> result = new CompletableFuture<>();
  private final AtomicBoolean sentAgain = new AtomicBoolean();
  private volatile @Nullable ClientCall<?, ?> rpc;
  private volatile @Nullable Future<?> timer;

  SentCall(ModelCall call) {
    this.call = call;
  }

  ModelCall call() {
    return call;
  }

  Context request() {
    return request;
  }

  io.opentelemetry.context.Context trace() {
    return trace;
  }

  int priority() {
    return call.priority();
  }

  /** When it came. */
  long enqueuedNanos() {
    return enqueuedNanos;
  }

  /** Whether it may be sent to a second server: true once, and not to somebody who has gone. */
  boolean mayGoAgain() {
    return !result.isDone() && sentAgain.compareAndSet(false, true);
  }

  /**
   * Whether it ended because its request did: gRPC may hear of that before whoever made the call
   * cancels it.
   */
  boolean isAbandoned(Throwable error) {
    return request.isCancelled() && Status.fromThrowable(error).getCode() == Status.Code.CANCELLED;
  }

  /** The rows of its batch. */
  int rows() {
    for (Tensor input : call.inputs().values()) {
      return input.rank() == 0 ? 1 : Math.max(1, input.dim(0));
    }
    return 1;
  }

  CompletableFuture<Map<String, Tensor>> result() {
    return result;
  }

  void fail(ModelException error) {
    result.completeExceptionally(error);
  }

  void expire() {
    fail(new ModelException(Reason.EXPIRED, call.model() + ": the deadline passed"));
  }

  /** Binds it to an RPC that has started: it ends when the result is there without it. */
  void started(ClientCall<?, ?> started) {
    rpc = started;
    if (result.isDone()) {
      giveUp();
    }
  }

  /** Binds it to the timer that expires it. */
  void expiresBy(Future<?> expiry) {
    timer = expiry;
    if (result.isDone()) {
      stopTimer();
    }
  }

  void stopTimer() {
    Future<?> running = timer;
    if (running != null) {
      running.cancel(false);
    }
  }

  /** Tells the server that nobody waits any more; nothing where it has answered. */
  void giveUp() {
    ClientCall<?, ?> running = rpc;
    if (running != null) {
      running.cancel("the caller no longer waits", null);
    }
  }
}
