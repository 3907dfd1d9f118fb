package io.espalier.server;

import io.grpc.Attributes;
import io.grpc.Grpc;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.ServerTransportFilter;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Refuses the calls of connections beyond those that one address may have.
 *
 * <p>Such a connection stays until its age ends it: clients whose connections are closed come back
 * at once, without end, and each time greet anew.
 */
final class ConnectionLimit extends ServerTransportFilter {
  private static final Attributes.Key<InetAddress> COUNTED =
      Attributes.Key.create("espalier-counted-connection");
  private static final Attributes.Key<String> REFUSED =
      Attributes.Key.create("espalier-refused-connection");

  private final int limit;
  private final Map<InetAddress, Integer> open = new ConcurrentHashMap<>();

  ConnectionLimit(int limit) {
    this.limit = limit;
  }

  @Override
  public Attributes transportReady(Attributes transport) {
    if (!(transport.get(Grpc.TRANSPORT_ATTR_REMOTE_ADDR) instanceof InetSocketAddress remote)) {
      return transport;
    }
    InetAddress address = remote.getAddress();
    int now = open.merge(address, 1, Integer::sum);
    if (now > limit) {
      release(address);
      return transport.toBuilder()
          .set(
              REFUSED,
              "connections of this address: %d (expected: at most %d)".formatted(now, limit))
          .build();
    }
    return transport.toBuilder().set(COUNTED, address).build();
  }

  @Override
  public void transportTerminated(@Nullable Attributes transport) {
    InetAddress address = transport == null ? null : transport.get(COUNTED);
    if (address != null) {
      release(address);
    }
  }

  private void release(InetAddress address) {
    open.computeIfPresent(address, (key, count) -> count == 1 ? null : count - 1);
  }

  /** Refuses the calls. */
  static final class Guard implements ServerInterceptor {
    @Override
    public <Q, R> ServerCall.Listener<Q> interceptCall(
        ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
      String why = call.getAttributes().get(REFUSED);
      if (why != null) {
        throw RequestException.resourceExhausted(why);
      }
      return next.startCall(call, headers);
    }
  }
}
