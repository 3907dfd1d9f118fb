package io.espalier.server;

import org.jspecify.annotations.Nullable;

/**
 * An address of its own for what few may do.
 *
 * @param host address to listen on; loopback unless told otherwise
 * @param port TCP port; 0 takes a free one; null serves it all at the server's own address
 * @param authToken a shared bearer token for these methods; empty: the server's own opens them too
 */
public record AdminConfig(String host, @Nullable Integer port, Secret authToken) {
  public AdminConfig {
    if (host.isBlank()) {
      throw new IllegalArgumentException("host: empty (expected: a host name or an address)");
    }
    if (port != null && (port < 0 || port > 65_535)) {
      throw new IllegalArgumentException("port: " + port + " (expected: 0..65535, or null)");
    }
  }

  /** None. */
  public static AdminConfig none() {
    return new AdminConfig("127.0.0.1", null, Secret.none());
  }
}
