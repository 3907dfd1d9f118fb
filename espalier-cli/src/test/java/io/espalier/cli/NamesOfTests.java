package io.espalier.cli;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.net.spi.InetAddressResolver;
import java.net.spi.InetAddressResolverProvider;
import java.util.stream.Stream;

/** A name server of the tests' process: names that no machine has, and the machine's own. */
public final class NamesOfTests extends InetAddressResolverProvider {
  /** A name with two addresses of loopback. */
  public static final String TWO = "two-replicas.test";

  /** A name that has none. */
  public static final String NOBODY = "nobody.test";

  @Override
  public String name() {
    return "names of tests";
  }

  @Override
  public InetAddressResolver get(Configuration configuration) {
    InetAddressResolver machine = configuration.builtinResolver();
    return new InetAddressResolver() {
      @Override
      public Stream<InetAddress> lookupByName(String host, LookupPolicy policy)
          throws UnknownHostException {
        return switch (host) {
          case TWO ->
              Stream.of(InetAddress.ofLiteral("127.0.0.1"), InetAddress.ofLiteral("127.0.0.2"));
          case NOBODY -> throw new UnknownHostException(host);
          default -> machine.lookupByName(host, policy);
        };
      }

      @Override
      public String lookupByAddress(byte[] address) throws UnknownHostException {
        return machine.lookupByAddress(address);
      }
    };
  }
}
