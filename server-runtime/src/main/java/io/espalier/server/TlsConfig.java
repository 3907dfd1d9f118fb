package io.espalier.server;

import java.time.Duration;
import java.util.Set;

/**
 * One end of TLS connections: PEM files that are read again as they change.
 *
 * @param certificate this end's own certificate, and those between it and its authority, in that
 *     order; empty for none. A server has TLS where it is given
 * @param key its private key, PKCS #8; given with the certificate
 * @param trust the authorities that the other end's certificate has to come from, or {@code system}
 *     for the platform's. A server that is given it wants a certificate of every client; a client
 *     has TLS where it is given
 * @param minVersion the oldest version that is spoken, {@code 1.2} or {@code 1.3}
 * @param reload how often the files are looked at
 */
public record TlsConfig(
    String certificate, String key, String trust, String minVersion, Duration reload) {
  static final String SYSTEM = "system";

  public TlsConfig {
    if (certificate.isEmpty() != key.isEmpty()) {
      throw new IllegalArgumentException(
          "certificate: \"%s\", key: \"%s\" (expected: both or neither)"
              .formatted(certificate, key));
    }
    if (!Set.of("1.2", "1.3").contains(minVersion)) {
      throw new IllegalArgumentException("min_version: " + minVersion + " (expected: 1.2 or 1.3)");
    }
    if (!reload.isPositive()) {
      throw new IllegalArgumentException("reload: " + reload + " (expected: > 0)");
    }
  }

  /** Plaintext. */
  public static TlsConfig off() {
    return new TlsConfig("", "", "", "1.3", Duration.ofSeconds(10));
  }

  boolean hasCertificate() {
    return !certificate.isEmpty();
  }

  boolean hasTrust() {
    return !trust.isEmpty();
  }

  String[] versions() {
    return minVersion.equals("1.3")
        ? new String[] {"TLSv1.3"}
        : new String[] {"TLSv1.3", "TLSv1.2"};
  }
}
