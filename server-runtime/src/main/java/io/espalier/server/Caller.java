package io.espalier.server;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.InsecureChannelCredentials;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.netty.shaded.io.grpc.netty.NettySslContextChannelCredentials;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.metrics.Meter;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Who this process is to the servers that it calls: certificates and a token, as they change. */
public final class Caller implements AutoCloseable {
  private static final Caller PLAIN = new Caller(null, Secret.none());

  private final @Nullable TlsFiles tls;
  private final Secret token;

  private Caller(@Nullable TlsFiles tls, Secret token) {
    this.tls = tls;
    this.token = token;
  }

  /** Plaintext, no token. */
  public static Caller plain() {
    return PLAIN;
  }

  /** Plaintext and a token. */
  public static Caller with(Secret token) {
    return new Caller(null, token);
  }

  /**
   * As the configuration says.
   *
   * @param use what it is for, in logs and measurements
   * @param meter where certificates' expiry is measured
   * @throws ConfigException when a file cannot be used
   */
  public static Caller open(String use, CallerConfig config, Meter meter) {
    return new Caller(
        config.tls().hasTrust() ? TlsFiles.ofClient(use, config.tls(), meter) : null,
        config.token());
  }

  /** Who a server's or a program's client is, unmeasured. */
  public static Caller open(CallerConfig config) {
    return open("client", config, OpenTelemetry.noop().getMeter("io.espalier.server"));
  }

  /** Why a call failed before it reached a server, where TLS is the reason. */
  public static Optional<String> tlsFailure(Throwable failure) {
    return TlsFailure.of(failure);
  }

  /** Reads certificates that have changed, without waiting until that is due. */
  void reloadCertificates() {
    if (tls != null) {
      tls.reload();
    }
  }

  /** What a channel is made with; connections show the certificates of their time. */
  public ChannelCredentials credentials() {
    return tls == null
        ? InsecureChannelCredentials.create()
        : NettySslContextChannelCredentials.create(tls.client());
  }

  /** What a channel's calls go through to bear the token. */
  public List<ClientInterceptor> interceptors() {
    return token.isEmpty() ? List.of() : List.of(new TokenSender(token));
  }

  @Override
  public void close() {
    if (tls != null) {
      tls.close();
    }
  }

  private record TokenSender(Secret token) implements ClientInterceptor {
    @Override
    public <Q, R> ClientCall<Q, R> interceptCall(
        MethodDescriptor<Q, R> method, CallOptions options, Channel next) {
      return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
        @Override
        public void start(Listener<R> listener, Metadata headers) {
          headers.put(Authentication.AUTHORIZATION, "Bearer " + token.reveal());
          super.start(listener, headers);
        }
      };
    }
  }
}
