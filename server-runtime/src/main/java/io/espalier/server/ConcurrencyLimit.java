package io.espalier.server;

import io.grpc.ForwardingServerCall.SimpleForwardingServerCall;
import io.grpc.ForwardingServerCallListener.SimpleForwardingServerCallListener;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Refuses calls beyond a fixed number in progress, before any work is done for them.
 *
 * <p>A permit is given back exactly once: when the call's status is sent, when it is cancelled, or
 * when it could not start.
 */
final class ConcurrencyLimit implements ServerInterceptor {
  private final int limit;
  private final Semaphore permits;

  ConcurrencyLimit(int limit) {
    this.limit = limit;
    this.permits = new Semaphore(limit);
  }

  int inProgress() {
    return limit - permits.availablePermits();
  }

  @Override
  public <Q, R> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
    if (!permits.tryAcquire()) {
      throw RequestException.resourceExhausted(
          "calls in progress: %d (expected: at most %d)".formatted(limit + 1, limit));
    }
    AtomicBoolean held = new AtomicBoolean(true);
    Runnable release =
        () -> {
          if (held.compareAndSet(true, false)) {
            permits.release();
          }
        };
    ServerCall.Listener<Q> listener;
    try {
      listener =
          next.startCall(
              new SimpleForwardingServerCall<>(call) {
                @Override
                public void close(Status status, Metadata trailers) {
                  // First, so that a caller who has the answer finds the place free.
                  release.run();
                  super.close(status, trailers);
                }
              },
              headers);
    } catch (RuntimeException | Error e) {
      release.run();
      throw e;
    }
    return new SimpleForwardingServerCallListener<>(listener) {
      // An exception out of a callback ends the call outside of this limit, in the exception
      // mapper.
      @Override
      public void onMessage(Q message) {
        guard(() -> super.onMessage(message));
      }

      @Override
      public void onHalfClose() {
        guard(super::onHalfClose);
      }

      @Override
      public void onCancel() {
        try {
          super.onCancel();
        } finally {
          release.run();
        }
      }

      @Override
      public void onComplete() {
        try {
          super.onComplete();
        } finally {
          release.run();
        }
      }

      private void guard(Runnable callback) {
        try {
          callback.run();
        } catch (RuntimeException | Error e) {
          release.run();
          throw e;
        }
      }
    };
  }
}
