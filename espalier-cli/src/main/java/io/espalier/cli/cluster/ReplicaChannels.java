package io.espalier.cli.cluster;

import io.espalier.server.RequestException;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A channel to each address behind a gRPC target of the form {@code host:port} or {@code
 * dns:///host:port}; to any other target one, whichever it leads to.
 */
final class ReplicaChannels implements AutoCloseable {
  private static final Pattern NAMED = Pattern.compile("(?:dns:///)?([^/:\\[\\]]+):([0-9]+)");

  private final String target;
  private final Matcher named;
  private final String name;
  private final BiFunction<String, String, ManagedChannel> opener;
  // By address; those of addresses that are gone are closed.
  private final Map<String, ManagedChannel> open = new HashMap<>();

  /**
   * Channels to the replicas of {@code target}.
   *
   * @param opener opens one, given its address and the name that it is listed under
   */
  ReplicaChannels(String target, BiFunction<String, String, ManagedChannel> opener) {
    this.target = target;
    this.named = NAMED.matcher(target);
    this.name = named.matches() ? named.group(1) + ":" + named.group(2) : target;
    this.opener = opener;
  }

  /**
   * Looks the name up.
   *
   * @throws RequestException UNAVAILABLE when nobody knows it
   */
  synchronized Map<String, Channel> get() {
    List<String> addresses = addresses();
    Map<String, Channel> channels = new LinkedHashMap<>();
    for (String address : addresses) {
      channels.put(address, open.computeIfAbsent(address, one -> opener.apply(one, name)));
    }
    for (String gone : Set.copyOf(open.keySet())) {
      if (!channels.containsKey(gone)) {
        ManagedChannel channel = open.remove(gone);
        if (channel != null) {
          channel.shutdownNow();
        }
      }
    }
    return channels;
  }

  private List<String> addresses() {
    if (!named.matches()) {
      return List.of(target);
    }
    try {
      List<String> addresses = new ArrayList<>();
      for (InetAddress address : InetAddress.getAllByName(named.group(1))) {
        String host = address.getHostAddress();
        addresses.add((host.contains(":") ? "[" + host + "]" : host) + ":" + named.group(2));
      }
      return addresses;
    } catch (UnknownHostException e) {
      throw RequestException.unavailable(target + ": unknown host (expected: replicas behind it)");
    }
  }

  @Override
  public synchronized void close() {
    open.values().forEach(ManagedChannel::shutdownNow);
    open.clear();
  }
}
