package io.espalier.server;

import io.grpc.ForwardingServerCallListener.SimpleForwardingServerCallListener;
import io.grpc.KnownLength;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import java.io.IOException;
import java.io.UncheckedIOException;

/**
 * Refuses a request that is larger than the limit with a status that says so.
 *
 * <p>The transport has its own, higher limit; beyond that one it resets the stream.
 */
final class MessageSizeLimit implements ServerInterceptor {
  private final int limit;

  MessageSizeLimit(int limit) {
    this.limit = limit;
  }

  @Override
  public <Q, R> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
    return new SimpleForwardingServerCallListener<>(next.startCall(call, headers)) {
      @Override
      public void onMessage(Q message) {
        if (message instanceof KnownLength known) {
          int size = size(known);
          if (size > limit) {
            Admission.notForLoad();
            throw RequestException.resourceExhausted(
                "request: %d bytes (expected: at most %d)".formatted(size, limit));
          }
        }
        super.onMessage(message);
      }
    };
  }

  private static int size(KnownLength message) {
    try {
      return message.available();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
