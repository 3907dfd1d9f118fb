package io.espalier.inference.triton;

import io.grpc.EquivalentAddressGroup;
import io.grpc.NameResolver;
import io.grpc.NameResolver.ConfigOrError;
import io.grpc.NameResolver.ResolutionResult;
import io.grpc.NameResolverRegistry;
import io.grpc.Status;
import io.grpc.StatusOr;
import io.grpc.SynchronizationContext;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.URI;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The servers behind gRPC targets, each address behind one a server, as they come and go: names are
 * looked up again every few seconds. A name that cannot be looked up keeps the servers that it had.
 */
final class ServerList implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(ServerList.class);

  private static final int DEFAULT_PORT = 8001;
  private static final int REFRESH_SECONDS = 5;

  private final ScheduledExecutorService thread;
  private final Placement placement;
  private final BiFunction<SocketAddress, String, Server> connect;
  private final SynchronizationContext lookUps =
      new SynchronizationContext(
          (unused, error) -> log.error("a look-up of the servers failed", error));
  private final List<NameResolver> resolvers = new ArrayList<>();
  // Of the control thread.
  private final Map<String, Set<SocketAddress>> addresses = new LinkedHashMap<>();
  private final Map<String, String> failures = new TreeMap<>();
  private final Map<SocketAddress, Server> servers = new HashMap<>();

  /**
   * Starts to follow targets.
   *
   * @param thread the control thread
   * @param placement hears of servers that come and go
   * @param connect makes the server of an address and of the authority that its target names
   */
  ServerList(
      List<String> targets,
      ScheduledExecutorService thread,
      Placement placement,
      BiFunction<SocketAddress, String, Server> connect) {
    this.thread = thread;
    this.placement = placement;
    this.connect = connect;
    for (String target : targets) {
      NameResolver resolver = resolver(target);
      resolvers.add(resolver);
      lookUps.execute(() -> resolver.start(new Listener(target, resolver.getServiceAuthority())));
    }
    var unused =
        thread.scheduleWithFixedDelay(
            () -> resolvers.forEach(resolver -> lookUps.execute(resolver::refresh)),
            REFRESH_SECONDS,
            REFRESH_SECONDS,
            TimeUnit.SECONDS);
  }

  /**
   * As gRPC's channels read a target: what has no scheme is a host and a port.
   *
   * @throws IllegalArgumentException when nothing can look it up
   */
  private NameResolver resolver(String target) {
    URI uri;
    try {
      uri = URI.create(target.contains(":/") ? target : "dns:///" + target);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "target: " + target + " (expected: such as dns:///triton:8001 or 127.0.0.1:8001)", e);
    }
    NameResolver resolver =
        NameResolverRegistry.getDefaultRegistry()
            .asFactory()
            .newNameResolver(
                uri,
                NameResolver.Args.newBuilder()
                    .setDefaultPort(DEFAULT_PORT)
                    .setProxyDetector(address -> null)
                    .setSynchronizationContext(lookUps)
                    .setScheduledExecutorService(thread)
                    .setServiceConfigParser(
                        new NameResolver.ServiceConfigParser() {
                          @Override
                          public ConfigOrError parseServiceConfig(Map<String, ?> raw) {
                            return ConfigOrError.fromConfig(raw);
                          }
                        })
                    .setOffloadExecutor(task -> Thread.ofVirtual().start(task))
                    .build());
    if (resolver == null) {
      throw new IllegalArgumentException(
          "target: " + target + " (expected: such as dns:///triton:8001 or 127.0.0.1:8001)");
    }
    return resolver;
  }

  private final class Listener extends NameResolver.Listener2 {
    private final String target;
    private final String authority;

    Listener(String target, String authority) {
      this.target = target;
      this.authority = authority;
    }

    @Override
    public void onResult(ResolutionResult result) {
      var unused = onResult2(result);
    }

    @Override
    public Status onResult2(ResolutionResult result) {
      StatusOr<List<EquivalentAddressGroup>> found = result.getAddressesOrError();
      if (found.hasValue()) {
        thread.execute(() -> found(target, authority, found.getValue()));
      } else {
        onError(found.getStatus());
      }
      return Status.OK;
    }

    @Override
    public void onError(Status error) {
      thread.execute(() -> failed(target, error));
    }
  }

  private void found(String target, String authority, List<EquivalentAddressGroup> groups) {
    Set<SocketAddress> now = new LinkedHashSet<>();
    groups.forEach(group -> now.add(group.getAddresses().getFirst()));
    addresses.put(target, now);
    failures.remove(target);
    for (SocketAddress address : now) {
      if (!servers.containsKey(address)) {
        log.info("{}: {} is a server", target, name(address));
        Server server = connect.apply(address, authority);
        servers.put(address, server);
        placement.added(server);
      }
    }
    List<SocketAddress> gone = new ArrayList<>(servers.keySet());
    addresses.values().forEach(gone::removeAll);
    for (SocketAddress address : gone) {
      log.info("{} is a server no more", name(address));
      Server server = servers.remove(address);
      if (server != null) {
        placement.removed(server);
      }
    }
    tell();
  }

  private void failed(String target, Status error) {
    if (failures.put(target, String.valueOf(error.getDescription())) == null) {
      log.warn("{} cannot be looked up: {}", target, error);
    }
    tell();
  }

  private void tell() {
    Set<String> unknown = new LinkedHashSet<>(failures.keySet());
    unknown.addAll(addresses.keySet());
    if (unknown.size() == resolvers.size()) {
      placement.resolved(servers.isEmpty() ? failures.toString() : "");
    }
  }

  /** An address as people write it. */
  static String name(@Nullable SocketAddress address) {
    return address instanceof InetSocketAddress internet && internet.getAddress() != null
        ? internet.getAddress().getHostAddress() + ":" + internet.getPort()
        : String.valueOf(address);
  }

  @Override
  public void close() {
    resolvers.forEach(resolver -> lookUps.execute(resolver::shutdown));
  }
}
