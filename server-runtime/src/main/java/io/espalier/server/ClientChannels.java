package io.espalier.server;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.opentelemetry.api.OpenTelemetry;
import java.util.concurrent.TimeUnit;

/** Channels to the servers of a cluster. */
public final class ClientChannels {
  private static final String IN_PROCESS = "in-process:";

  private ClientChannels() {}

  /**
   * Opens a channel to {@code in-process:NAME} or to a gRPC target such as {@code 127.0.0.1:9000}
   * or {@code dns:///retrieval:9000} (every address behind a name, in turn).
   *
   * @param token the cluster's shared token; empty for none
   * @param telemetry traces the calls
   */
  public static ManagedChannel open(
      String target, String token, int maxMessageBytes, OpenTelemetry telemetry) {
    ManagedChannelBuilder<?> builder =
        target.startsWith(IN_PROCESS)
            ? InProcessChannelBuilder.forName(target.substring(IN_PROCESS.length()))
            : NettyChannelBuilder.forTarget(target)
                .usePlaintext()
                .keepAliveTime(60, TimeUnit.SECONDS)
                .defaultLoadBalancingPolicy("round_robin")
                .disableServiceConfigLookUp();
    builder.intercept(new CallOrigin.Sender());
    if (!token.isEmpty()) {
      builder.intercept(new TokenSender(token));
    }
    if (Telemetry.traces(telemetry)) {
      builder.intercept(new TraceSender(telemetry));
    }
    return builder.maxInboundMessageSize(maxMessageBytes).build();
  }

  /** As {@link #open(String, String, int, OpenTelemetry)} without traces. */
  public static ManagedChannel open(String target, String token, int maxMessageBytes) {
    return open(target, token, maxMessageBytes, OpenTelemetry.noop());
  }

  /** As {@link #open(String, String, int)} without a token, for messages up to 4 MiB. */
  public static ManagedChannel open(String target) {
    return open(target, "", 4 << 20);
  }

  /** Sends the cluster's shared token with every call of a channel that is opened elsewhere. */
  public static ClientInterceptor sending(String token) {
    return new TokenSender(token);
  }

  private record TokenSender(String token) implements ClientInterceptor {
    @Override
    public <Q, R> ClientCall<Q, R> interceptCall(
        MethodDescriptor<Q, R> method, CallOptions options, Channel next) {
      return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
        @Override
        public void start(Listener<R> listener, Metadata headers) {
          headers.put(TokenAuthentication.AUTHORIZATION, "Bearer " + token);
          super.start(listener, headers);
        }
      };
    }
  }
}
