package io.espalier.inference.triton;

import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** The one message that answers a call, there once the call has ended; or the call's status. */
final class Response<T> extends CompletableFuture<T> implements StreamObserver<T> {
  private @Nullable T message;

  @Override
  public void onNext(T value) {
    message = value;
  }

  @Override
  public void onError(Throwable error) {
    completeExceptionally(error);
  }

  @Override
  public void onCompleted() {
    T value = message;
    if (value == null) {
      completeExceptionally(
          Status.INTERNAL.withDescription("no response (expected: one)").asRuntimeException());
    } else {
      complete(value);
    }
  }
}
