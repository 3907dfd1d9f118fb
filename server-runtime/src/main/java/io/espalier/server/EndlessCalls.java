package io.espalier.server;

import io.grpc.ForwardingServerCall.SimpleForwardingServerCall;
import io.grpc.ForwardingServerCallListener.SimpleForwardingServerCallListener;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Ends calls that go on for as long as their callers like, so that a server which stops waits for
 * the others alone.
 *
 * <p>They end with OK: nothing has failed, and their callers go on elsewhere, or here when the
 * server is back. What their service sends them afterwards is dropped.
 */
final class EndlessCalls implements ServerInterceptor {
  private final Set<String> methods;
  private final Set<Endless<?, ?>> underWay = ConcurrentHashMap.newKeySet();
  private volatile boolean over;

  /**
   * Knows no call yet.
   *
   * @param methods by full name, whose calls only send to their callers
   */
  EndlessCalls(Set<String> methods) {
    this.methods = Set.copyOf(methods);
  }

  @Override
  public <Q, R> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
    if (!methods.contains(call.getMethodDescriptor().getFullMethodName())) {
      return next.startCall(call, headers);
    }
    Endless<Q, R> endless = new Endless<>(call);
    ServerCall.Listener<Q> listener = next.startCall(endless, headers);
    underWay.add(endless);
    if (over) {
      endless.end();
    }
    return new SimpleForwardingServerCallListener<>(listener) {
      @Override
      public void onCancel() {
        underWay.remove(endless);
        super.onCancel();
      }

      @Override
      public void onComplete() {
        underWay.remove(endless);
        super.onComplete();
      }
    };
  }

  /** Ends those that are under way, and those that come. */
  void end() {
    over = true;
    underWay.forEach(Endless::end);
  }

  /** A call that two may end; gRPC's own bears one at a time. */
  private static final class Endless<Q, R> extends SimpleForwardingServerCall<Q, R> {
    private boolean ended;

    Endless(ServerCall<Q, R> call) {
      super(call);
    }

    void end() {
      close(Status.OK, new Metadata());
    }

    @Override
    public synchronized void sendHeaders(Metadata headers) {
      if (!ended) {
        super.sendHeaders(headers);
      }
    }

    @Override
    public synchronized void sendMessage(R message) {
      if (!ended) {
        super.sendMessage(message);
      }
    }

    @Override
    public synchronized void close(Status status, Metadata trailers) {
      if (!ended) {
        ended = true;
        super.close(status, trailers);
      }
    }
  }
}
