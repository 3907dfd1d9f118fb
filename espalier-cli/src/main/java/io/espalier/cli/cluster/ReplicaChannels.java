package io.espalier.cli.cluster;

import io.espalier.server.ClientChannels;
import io.espalier.server.ReplicaAddress;
import io.espalier.server.RequestException;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import java.net.UnknownHostException;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

/** A channel to each replica behind a target, which is looked up whenever they are asked for. */
final class ReplicaChannels implements AutoCloseable {
  private final String target;
  private final Function<ReplicaAddress, ManagedChannel> opener;
  // Those of replicas that are gone are closed.
  private final Map<ReplicaAddress, ManagedChannel> open = new HashMap<>();

  /** Channels to the replicas of {@code target}, one of {@link ClientChannels#open}'s. */
  ReplicaChannels(String target, Function<ReplicaAddress, ManagedChannel> opener) {
    this.target = target;
    this.opener = opener;
  }

  /**
   * Looks the target up; the channels by their replicas' addresses.
   *
   * @throws RequestException UNAVAILABLE when nobody knows a name of it
   */
  synchronized Map<String, Channel> get() {
    List<ReplicaAddress> replicas = replicas();
    Map<String, Channel> channels = new LinkedHashMap<>();
    for (ReplicaAddress replica : replicas) {
      channels.put(replica.target(), open.computeIfAbsent(replica, opener));
    }
    for (ReplicaAddress gone : Set.copyOf(open.keySet())) {
      if (!replicas.contains(gone)) {
        ManagedChannel channel = open.remove(gone);
        if (channel != null) {
          channel.shutdownNow();
        }
      }
    }
    return channels;
  }

  private List<ReplicaAddress> replicas() {
    try {
      return ClientChannels.replicas(target);
    } catch (UnknownHostException e) {
      throw RequestException.unavailable(
          "%s: unknown host %s (expected: replicas behind it)".formatted(target, e.getMessage()));
    }
  }

  @Override
  public synchronized void close() {
    open.values().forEach(ManagedChannel::shutdownNow);
    open.clear();
  }
}
