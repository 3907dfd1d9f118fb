package io.espalier.server;

import com.google.common.util.concurrent.MoreExecutors;
import io.grpc.Context;
import io.grpc.Detachable;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Set;
import java.util.concurrent.Executor;

/**
 * Gives a call a thread of its own once it has been let in.
 *
 * <p>Whatever stands behind this one decides on a call on the transport's thread, which waits for
 * no processor behind the work of other calls: a refusal comes as quickly from a server that is
 * full as from an idle one. A call whose caller is gone by the time that a thread is there for it
 * is not begun.
 */
final class OwnThread implements ServerInterceptor {
  private final Executor threads;
  private final Set<String> neverBlocking;

  /**
   * Gives threads.
   *
   * @param neverBlocking methods by full name that need none
   */
  OwnThread(Executor threads, Set<String> neverBlocking) {
    this.threads = threads;
    this.neverBlocking = Set.copyOf(neverBlocking);
  }

  @Override
  public <Q, R> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
    ServerCall.Listener<Q> listener = next.startCall(call, headers);
    if (listener instanceof ExceptionMapper.Refused
        || neverBlocking.contains(call.getMethodDescriptor().getFullMethodName())) {
      return listener;
    }
    Context context = Context.current();
    Executor own =
        io.opentelemetry.context.Context.current()
            .wrap(context.fixedContextExecutor(MoreExecutors.newSequentialExecutor(threads)));
    return new ServerCall.Listener<>() {
      @Override
      public void onMessage(Q message) {
        Q kept = keep(message);
        own.execute(
            () -> {
              try {
                if (!context.isCancelled()) {
                  listener.onMessage(kept);
                }
              } finally {
                release(kept);
              }
            });
      }

      @Override
      public void onHalfClose() {
        own.execute(
            () -> {
              if (!context.isCancelled()) {
                listener.onHalfClose();
              }
            });
      }

      @Override
      public void onReady() {
        own.execute(listener::onReady);
      }

      @Override
      public void onCancel() {
        own.execute(listener::onCancel);
      }

      @Override
      public void onComplete() {
        own.execute(listener::onComplete);
      }
    };
  }

  /** The transport takes back the bytes of a message when its callback returns. */
  @SuppressWarnings("unchecked") // What is detached from a stream of bytes is one.
  private static <Q> Q keep(Q message) {
    return message instanceof Detachable bytes ? (Q) bytes.detach() : message;
  }

  private static void release(Object message) {
    if (message instanceof InputStream bytes) {
      try {
        bytes.close();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }
}
