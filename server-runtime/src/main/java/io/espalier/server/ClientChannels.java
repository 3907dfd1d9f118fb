package io.espalier.server;

import io.grpc.ClientInterceptor;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.opentelemetry.api.OpenTelemetry;
import java.util.concurrent.TimeUnit;

/** Channels to the servers of a cluster. */
public final class ClientChannels {
  private static final String IN_PROCESS = "in-process:";
  private static final int MESSAGE_BYTES = 4 << 20;

  private ClientChannels() {}

  /**
   * Opens a channel to {@code in-process:NAME} or to a gRPC target such as {@code 127.0.0.1:9000}
   * or {@code dns:///retrieval:9000} (every address behind a name, in turn).
   *
   * @param caller who calls; stays open for as long as the channel
   * @param telemetry traces the calls
   */
  public static ManagedChannel open(
      String target, Caller caller, int maxMessageBytes, OpenTelemetry telemetry) {
    ManagedChannelBuilder<?> builder =
        target.startsWith(IN_PROCESS)
            ? InProcessChannelBuilder.forName(target.substring(IN_PROCESS.length()))
            : overTcp(target, caller);
    builder.intercept(new CallOrigin.Sender());
    caller.intercept(builder);
    if (Telemetry.traces(telemetry)) {
      builder.intercept(new TraceSender(telemetry));
    }
    return builder.maxInboundMessageSize(maxMessageBytes).build();
  }

  private static ManagedChannelBuilder<?> overTcp(String target, Caller caller) {
    NettyChannelBuilder builder =
        NettyChannelBuilder.forTarget(target)
            .keepAliveTime(60, TimeUnit.SECONDS)
            .defaultLoadBalancingPolicy("round_robin")
            .disableServiceConfigLookUp();
    caller.secure(builder);
    return builder;
  }

  /** As {@link #open(String, Caller, int, OpenTelemetry)} without traces. */
  public static ManagedChannel open(String target, Caller caller, int maxMessageBytes) {
    return open(target, caller, maxMessageBytes, OpenTelemetry.noop());
  }

  /** As {@link #open(String, Caller, int)} for messages up to 4 MiB. */
  public static ManagedChannel open(String target, Caller caller) {
    return open(target, caller, MESSAGE_BYTES);
  }

  /** As {@link #open(String, Caller)}, in plaintext and without a token. */
  public static ManagedChannel open(String target) {
    return open(target, Caller.plain());
  }

  /** Sends a token with every call of a channel that is opened elsewhere. */
  public static ClientInterceptor sending(Secret token) {
    return new Caller.TokenSender(token);
  }
}
