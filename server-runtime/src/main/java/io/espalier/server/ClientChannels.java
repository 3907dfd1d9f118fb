package io.espalier.server;

import io.grpc.LoadBalancerRegistry;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.NameResolverRegistry;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.channel.ChannelOption;
import io.opentelemetry.api.OpenTelemetry;
import java.net.UnknownHostException;
import java.security.Security;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Channels to the servers of a cluster. */
public final class ClientChannels {
  private static final String IN_PROCESS = "in-process:";
  private static final String DNS = "dns:///";
  private static final int MESSAGE_BYTES = 4 << 20;
  // A host that is gone without a word refuses nothing.
  private static final int CONNECT_MILLIS = 2_000;
  // The servers take one ping in ten seconds.
  private static final long KEEP_ALIVE_SECONDS = 20;
  private static final long KEEP_ALIVE_TIMEOUT_SECONDS = 5;
  private static final long KEEP_UP_MILLIS = 1_000;
  private static final String NAME_CACHE_SECONDS = "networkaddress.cache.ttl";

  static {
    LoadBalancerRegistry.getDefaultRegistry().register(new ReplicaBalancer.Provider());
    NameResolverRegistry.getDefaultRegistry().register(new ReplicaResolver.Provider());
    // Java remembers a name for 30 s, longer than a replica may go without calls.
    if (Security.getProperty(NAME_CACHE_SECONDS) == null) {
      Security.setProperty(NAME_CACHE_SECONDS, "3");
    }
  }

  private ClientChannels() {}

  /** How calls are spread over the replicas behind a target. */
  public enum Spread {
    /** To the one with the fewest calls under way. */
    LEAST_CALLS,
    /** Those with {@link Affinity} to the one that their key belongs to, others as above. */
    BY_KEY
  }

  /**
   * Opens a channel to {@code in-process:NAME}, to {@code host:port[,host:port…]}, where every
   * address behind each name is a replica ({@code dns:///} before it says the same), or to another
   * of gRPC's targets.
   *
   * <p>A replica that is added gets calls as soon as it is known, one that is gone none; while all
   * are away calls fail at once, unless they say {@code withWaitForReady}.
   *
   * @param caller who calls; stays open for as long as the channel
   * @param telemetry traces the calls
   * @throws ConfigException when the target is none
   */
  public static ManagedChannel open(
      String target, Caller caller, int maxMessageBytes, OpenTelemetry telemetry, Spread spread) {
    return target.startsWith(IN_PROCESS)
        ? finish(
            InProcessChannelBuilder.forName(target.substring(IN_PROCESS.length())),
            caller,
            maxMessageBytes,
            telemetry)
        : keptUp(finish(overTcp(target, caller, spread), caller, maxMessageBytes, telemetry));
  }

  /**
   * Every replica behind a target, once, in the target's order: what {@link #open} would spread
   * calls over. In process, and of those of gRPC's targets that are not looked into, one: whichever
   * it leads to.
   *
   * <p>A name with addresses of IPv4 and of IPv6 has each replica behind both: those of the first
   * one's kind are given.
   *
   * @throws ConfigException when the target is none
   * @throws UnknownHostException when nobody knows a name of it
   */
  public static List<ReplicaAddress> replicas(String target) throws UnknownHostException {
    return isLookedInto(target)
        ? ReplicaResolver.lookUp(list(target), ReplicaResolver.Lookup.BY_JAVA)
        : List.of(new ReplicaAddress(target, target));
  }

  /** Opens a channel to one replica of a service. */
  public static ManagedChannel openReplica(
      ReplicaAddress replica, Caller caller, int maxMessageBytes, OpenTelemetry telemetry) {
    return isLookedInto(replica.target())
        ? keptUp(
            finish(
                overTcp(replica.target(), caller, Spread.LEAST_CALLS)
                    .overrideAuthority(replica.name()),
                caller,
                maxMessageBytes,
                telemetry))
        : open(replica.target(), caller, maxMessageBytes, telemetry);
  }

  private static ManagedChannel finish(
      ManagedChannelBuilder<?> builder,
      Caller caller,
      int maxMessageBytes,
      OpenTelemetry telemetry) {
    builder.intercept(new CallOrigin.Sender());
    builder.intercept(caller.interceptors());
    if (Telemetry.traces(telemetry)) {
      builder.intercept(new TraceSender(telemetry));
    }
    return builder.maxInboundMessageSize(maxMessageBytes).build();
  }

  private static ManagedChannel keptUp(ManagedChannel channel) {
    Thread.ofVirtual().name("keep-up").start(() -> keepUp(channel));
    return channel;
  }

  /** As {@link #open(String, Caller, int, OpenTelemetry, Spread)} to the least busy replica. */
  public static ManagedChannel open(
      String target, Caller caller, int maxMessageBytes, OpenTelemetry telemetry) {
    return open(target, caller, maxMessageBytes, telemetry, Spread.LEAST_CALLS);
  }

  /** As {@link #open(String, Caller, int, OpenTelemetry)} without traces. */
  public static ManagedChannel open(String target, Caller caller, int maxMessageBytes) {
    return open(target, caller, maxMessageBytes, OpenTelemetry.noop());
  }

  private static ManagedChannelBuilder<?> overTcp(String target, Caller caller, Spread spread) {
    return TransportThreads.call(
            NettyChannelBuilder.forTarget(resolved(target), caller.credentials()))
        .withOption(ChannelOption.CONNECT_TIMEOUT_MILLIS, CONNECT_MILLIS)
        .keepAliveTime(KEEP_ALIVE_SECONDS, TimeUnit.SECONDS)
        .keepAliveTimeout(KEEP_ALIVE_TIMEOUT_SECONDS, TimeUnit.SECONDS)
        .keepAliveWithoutCalls(true)
        .defaultServiceConfig(balancing(spread))
        .disableServiceConfigLookUp();
  }

  private static boolean isLookedInto(String target) {
    return !target.startsWith(IN_PROCESS)
        && !list(target).contains(":/")
        && !target.startsWith("unix:");
  }

  private static String list(String target) {
    return target.startsWith(DNS) ? target.substring(DNS.length()) : target;
  }

  private static String resolved(String target) {
    if (!isLookedInto(target)) {
      return target;
    }
    String list = list(target);
    ReplicaResolver.parse(list);
    // The brackets of IPv6 have no place in a path.
    return ReplicaResolver.SCHEME
        + ":///"
        + list.replaceAll("\\s", "").replace("[", "%5B").replace("]", "%5D");
  }

  private static Map<String, ?> balancing(Spread spread) {
    return Map.of(
        "loadBalancingConfig",
        List.of(
            Map.of(
                ReplicaBalancer.POLICY, Map.of(ReplicaBalancer.BY_KEY, spread == Spread.BY_KEY))));
  }

  /**
   * Looks names up again and tries lost replicas every second. gRPC does the first when a
   * connection breaks, and waits longer for the second after each failure, up to two minutes: a
   * replica that starts again would be without calls while its neighbour stops.
   */
  private static void keepUp(ManagedChannel channel) {
    try {
      while (!channel.isShutdown()) {
        Thread.sleep(KEEP_UP_MILLIS);
        // Asks the resolver to refresh, too.
        channel.resetConnectBackoff();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** As {@link #open(String, Caller, int)} for messages up to 4 MiB. */
  public static ManagedChannel open(String target, Caller caller) {
    return open(target, caller, MESSAGE_BYTES);
  }

  /** As {@link #open(String, Caller)}, in plaintext and without a token. */
  public static ManagedChannel open(String target) {
    return open(target, Caller.plain());
  }
}
