package io.espalier.inference.triton;

import io.grpc.ChannelCredentials;
import io.grpc.ClientInterceptor;
import java.time.Duration;
import java.util.List;

/**
 * How Triton servers are reached.
 *
 * @param targets gRPC targets, for example {@code dns:///triton:8001}; each address behind one is a
 *     server
 * @param keepAlive how long a connection with calls may be silent before it is pinged, at least 10
 *     s; no less than the servers' {@code --grpc-http2-min-recv-ping-interval-without-data}
 * @param unloadDelay how long a model that is unloaded stays at the servers, for other clients that
 *     still ask it; a client that closes meanwhile leaves it there
 * @param interceptors of every call
 */
public record TritonSettings(
    List<String> targets,
    ChannelCredentials credentials,
    Duration keepAlive,
    Duration unloadDelay,
    List<ClientInterceptor> interceptors) {
  /** Triton closes connections that are pinged more often than every five minutes. */
  public static final Duration KEEP_ALIVE = Duration.ofMinutes(5);

  private static final Duration SHORTEST_KEEP_ALIVE = Duration.ofSeconds(10);

  public TritonSettings {
    targets = List.copyOf(targets);
    interceptors = List.copyOf(interceptors);
    if (targets.isEmpty()) {
      throw new IllegalArgumentException("targets: none (expected: at least one)");
    }
    if (keepAlive.compareTo(SHORTEST_KEEP_ALIVE) < 0) {
      throw new IllegalArgumentException("keep alive: " + keepAlive + " (expected: >= 10 s)");
    }
    if (unloadDelay.isNegative()) {
      throw new IllegalArgumentException("unload delay: " + unloadDelay + " (expected: >= 0)");
    }
  }

  /** Models are unloaded at once, and nothing is added to calls. */
  public TritonSettings(List<String> targets, ChannelCredentials credentials, Duration keepAlive) {
    this(targets, credentials, keepAlive, Duration.ZERO, List.of());
  }
}
