package io.espalier.server;

import com.google.common.net.HostAndPort;
import io.grpc.Attributes;
import io.grpc.EquivalentAddressGroup;
import io.grpc.NameResolver;
import io.grpc.NameResolverProvider;
import io.grpc.Status;
import io.grpc.StatusOr;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/**
 * The addresses of a service's replicas: those that are listed, and all behind listed names, which
 * are looked up again whenever it is asked to refresh ({@link ClientChannels} asks every second).
 *
 * <p>A name that cannot be looked up keeps the addresses that it had: a name server that is away
 * takes no replica away. gRPC's own resolver looks a name up once and then only when a connection
 * breaks, so that replicas which are added get nothing.
 */
final class ReplicaResolver extends NameResolver {
  static final String SCHEME = "espalier-replicas";

  private final List<HostAndPort> replicas;
  private final Lookup lookup;
  private final Args args;
  private final Executor executor;
  // All below are used in gRPC's synchronization context alone.
  private final Map<String, List<InetAddress>> known = new HashMap<>();
  private Map<InetSocketAddress, String> published = Map.of();
  private @Nullable Listener2 listener;
  private boolean lookingUp;
  private boolean shutdown;

  /** Finds the addresses of a name. */
  @FunctionalInterface
  interface Lookup {
    Lookup BY_JAVA = name -> Arrays.asList(InetAddress.getAllByName(name));

    List<InetAddress> all(String name) throws UnknownHostException;
  }

  private ReplicaResolver(List<HostAndPort> replicas, Lookup lookup, Args args) {
    this.replicas = replicas;
    this.lookup = lookup;
    this.args = args;
    Executor offload = args.getOffloadExecutor();
    this.executor =
        offload == null ? task -> Thread.ofVirtual().name("lookup").start(task) : offload;
  }

  /** Makes the resolvers of targets such as {@code espalier-replicas:///a:7701,b:7701}. */
  static final class Provider extends NameResolverProvider {
    private final String scheme;
    private final Lookup lookup;

    Provider() {
      this(SCHEME, Lookup.BY_JAVA);
    }

    Provider(String scheme, Lookup lookup) {
      this.scheme = scheme;
      this.lookup = lookup;
    }

    @Override
    protected boolean isAvailable() {
      return true;
    }

    @Override
    protected int priority() {
      return 5;
    }

    @Override
    public String getDefaultScheme() {
      return scheme;
    }

    @Override
    public @Nullable NameResolver newNameResolver(URI target, Args args) {
      return target.getScheme().equals(scheme)
          ? new ReplicaResolver(parse(target.getPath().substring(1)), lookup, args)
          : null;
    }
  }

  /**
   * Reads {@code host:port[,host:port…]}.
   *
   * @throws ConfigException when it is something else
   */
  static List<HostAndPort> parse(String list) {
    List<HostAndPort> replicas = new ArrayList<>();
    for (String one : list.split(",", -1)) {
      HostAndPort replica;
      try {
        replica = HostAndPort.fromString(one.strip());
      } catch (IllegalArgumentException e) {
        throw unreadable(list);
      }
      if (!replica.hasPort() || replica.getHost().isEmpty()) {
        throw unreadable(list);
      }
      replicas.add(replica);
    }
    return List.copyOf(replicas);
  }

  /**
   * Each replica of {@code host:port[,host:port…]} once. Of a name with addresses of both kinds
   * those of the first one's kind: the others lead to the same replicas.
   *
   * @throws ConfigException when it is something else
   * @throws UnknownHostException when nobody knows one of the names
   */
  static List<ReplicaAddress> lookUp(String list, Lookup lookup) throws UnknownHostException {
    Map<String, ReplicaAddress> found = new LinkedHashMap<>();
    for (HostAndPort replica : parse(list)) {
      List<InetAddress> addresses = lookup.all(replica.getHost());
      for (InetAddress address : addresses) {
        if (address.getClass() == addresses.getFirst().getClass()) {
          String target =
              HostAndPort.fromParts(address.getHostAddress(), replica.getPort()).toString();
          found.putIfAbsent(target, new ReplicaAddress(target, replica.toString()));
        }
      }
    }
    return List.copyOf(found.values());
  }

  private static ConfigException unreadable(String list) {
    return new ConfigException(
        "target: %s (expected: host:port, several with commas between)".formatted(list));
  }

  @Override
  public String getServiceAuthority() {
    return replicas.getFirst().toString();
  }

  @Override
  public void start(Listener2 told) {
    listener = told;
    lookUp();
  }

  @Override
  public void refresh() {
    lookUp();
  }

  private void lookUp() {
    if (lookingUp || shutdown) {
      return;
    }
    lookingUp = true;
    executor.execute(
        () -> {
          Map<String, List<InetAddress>> found = new HashMap<>();
          Status failure = Status.OK;
          for (HostAndPort replica : replicas) {
            try {
              found.putIfAbsent(replica.getHost(), lookup.all(replica.getHost()));
            } catch (UnknownHostException e) {
              failure =
                  Status.UNAVAILABLE
                      .withDescription(replica.getHost() + ": no such name (expected: an address)")
                      .withCause(e);
            }
          }
          Status outcome = failure;
          args.getSynchronizationContext().execute(() -> lookedUp(found, outcome));
        });
  }

  private void lookedUp(Map<String, List<InetAddress>> found, Status outcome) {
    lookingUp = false;
    Listener2 told = listener;
    if (shutdown || told == null) {
      return;
    }
    known.putAll(found);
    Map<InetSocketAddress, String> addresses = new LinkedHashMap<>();
    for (HostAndPort replica : replicas) {
      for (InetAddress address : known.getOrDefault(replica.getHost(), List.of())) {
        addresses.putIfAbsent(
            new InetSocketAddress(address, replica.getPort()), replica.toString());
      }
    }
    if (addresses.isEmpty()) {
      told.onResult2(result(StatusOr.fromStatus(outcome)));
    } else if (!addresses.equals(published)) {
      published = addresses;
      told.onResult2(
          result(
              StatusOr.fromValue(
                  addresses.entrySet().stream()
                      .map(address -> group(address.getKey(), address.getValue()))
                      .toList())));
    }
  }

  private static ResolutionResult result(StatusOr<List<EquivalentAddressGroup>> addresses) {
    return ResolutionResult.newBuilder().setAddressesOrError(addresses).build();
  }

  /** Each is called by the name that it was listed under, which its certificate bears. */
  private static EquivalentAddressGroup group(InetSocketAddress address, String name) {
    return new EquivalentAddressGroup(
        List.of(address),
        Attributes.newBuilder().set(EquivalentAddressGroup.ATTR_AUTHORITY_OVERRIDE, name).build());
  }

  @Override
  public void shutdown() {
    shutdown = true;
  }
}
