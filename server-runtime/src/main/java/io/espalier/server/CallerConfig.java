package io.espalier.server;

/**
 * How a process calls servers.
 *
 * @param tls its certificate and whom it trusts; plaintext without a trust
 * @param token the shared or web token that it sends; empty for none
 */
public record CallerConfig(TlsConfig tls, Secret token) {
  public CallerConfig {
    if (tls.hasCertificate() && !tls.hasTrust()) {
      throw new IllegalArgumentException(
          "tls.trust: empty (expected: who signs the servers' certificates, beside a certificate;"
              + " or system)");
    }
  }

  /** Plaintext, no token. */
  public static CallerConfig plain() {
    return new CallerConfig(TlsConfig.off(), Secret.none());
  }
}
