package io.espalier.oip;

import io.grpc.EquivalentAddressGroup;
import io.grpc.NameResolver;
import io.grpc.NameResolverProvider;
import io.grpc.NameResolverRegistry;
import io.grpc.StatusOr;
import java.net.SocketAddress;
import java.net.URI;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/** A name whose addresses a test changes, as pods behind a headless service do. */
final class NamedServers extends NameResolverProvider implements AutoCloseable {
  private static final AtomicLong NUMBERS = new AtomicLong();

  private final String scheme = "servers" + NUMBERS.incrementAndGet();
  private volatile List<SocketAddress> addresses;
  private volatile NameResolver.@Nullable Listener2 listener;

  NamedServers(SocketAddress... first) {
    addresses = List.of(first);
    NameResolverRegistry.getDefaultRegistry().register(this);
  }

  String target() {
    return scheme + ":///name";
  }

  void become(SocketAddress... now) {
    addresses = List.of(now);
    tell();
  }

  private void tell() {
    NameResolver.Listener2 hears = listener;
    if (hears != null) {
      hears.onResult(
          NameResolver.ResolutionResult.newBuilder()
              .setAddressesOrError(
                  StatusOr.fromValue(addresses.stream().map(EquivalentAddressGroup::new).toList()))
              .build());
    }
  }

  @Override
  public NameResolver newNameResolver(URI target, NameResolver.Args args) {
    return new NameResolver() {
      @Override
      public String getServiceAuthority() {
        return "name";
      }

      @Override
      public void start(Listener2 hears) {
        listener = hears;
        tell();
      }

      @Override
      public void shutdown() {
        listener = null;
      }
    };
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
  public void close() {
    NameResolverRegistry.getDefaultRegistry().deregister(this);
  }
}
