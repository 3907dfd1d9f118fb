package io.espalier.server;

import io.grpc.Attributes;
import io.grpc.Grpc;
import io.grpc.ServerTransportFilter;
import io.grpc.netty.shaded.io.netty.handler.codec.http2.Http2Error;
import io.grpc.netty.shaded.io.netty.handler.codec.http2.Http2Exception;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.logging.Level;
import java.util.logging.Logger;

/** Ends a connection beyond those that one address may have, as soon as it is there. */
final class ConnectionLimit extends ServerTransportFilter {
  private static final Attributes.Key<InetAddress> COUNTED =
      Attributes.Key.create("espalier-counted-connection");

  // The transport writes each failed connection and its stack into the log: strangers would fill it.
  private static final Logger CONNECTIONS =
      Logger.getLogger("io.grpc.netty.shaded.io.grpc.netty.NettyServerTransport.connections");

  static {
    CONNECTIONS.setLevel(Level.WARNING);
  }

  private final int limit;
  private final Map<InetAddress, Integer> open = new ConcurrentHashMap<>();

  ConnectionLimit(int limit) {
    this.limit = limit;
  }

  int open(InetAddress address) {
    return open.getOrDefault(address, 0);
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
      // The transport closes the connection of a filter that throws, with the error that is told.
      String why = "connections: %d (expected: at most %d)".formatted(now, limit);
      throw new IllegalStateException(
          why, Http2Exception.connectionError(Http2Error.ENHANCE_YOUR_CALM, why));
    }
    return transport.toBuilder().set(COUNTED, address).build();
  }

  @Override
  public void transportTerminated(Attributes transport) {
    InetAddress address = transport == null ? null : transport.get(COUNTED);
    if (address != null) {
      release(address);
    }
  }

  private void release(InetAddress address) {
    open.computeIfPresent(address, (key, count) -> count == 1 ? null : count - 1);
  }
}
