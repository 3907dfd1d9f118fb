package io.espalier.server;

import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Set;

/**
 * JSON web tokens that callers may show.
 *
 * @param jwks where the issuer's public keys are, a JWK set: a file or an {@code https:} address;
 *     empty where no such tokens are taken
 * @param issuer who has to have made a token ({@code iss})
 * @param audience whom it has to be for ({@code aud})
 * @param algorithms of signatures that are taken; public keys' alone
 * @param clockSkew by how much clocks may differ
 * @param refresh how often the keys are fetched; an unknown key has them fetched at once, at most
 *     once in five seconds
 * @param scopeClaim the claim that names scopes: a text with spaces between, or a list
 * @param tenantClaim the claim that names the tenant; empty where tokens name none
 * @param trust the authorities of an https address, in PEM; empty for the platform's
 */
public record JwtConfig(
    String jwks,
    String issuer,
    String audience,
    List<String> algorithms,
    Duration clockSkew,
    Duration refresh,
    String scopeClaim,
    String tenantClaim,
    String trust) {
  private static final Set<String> KNOWN =
      Set.of("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512");
  private static final Duration MOST_SKEW = Duration.ofMinutes(5);

  public JwtConfig {
    algorithms = List.copyOf(algorithms);
    if (algorithms.isEmpty() || !KNOWN.containsAll(algorithms)) {
      throw new IllegalArgumentException(
          "algorithms: %s (expected: some of %s)"
              .formatted(algorithms, KNOWN.stream().sorted().toList()));
    }
    if (clockSkew.isNegative() || clockSkew.compareTo(MOST_SKEW) > 0) {
      throw new IllegalArgumentException("clock_skew: " + clockSkew + " (expected: 0..5m)");
    }
    if (!refresh.isPositive()) {
      throw new IllegalArgumentException("refresh: " + refresh + " (expected: > 0)");
    }
    if (scopeClaim.isBlank()) {
      throw new IllegalArgumentException("scope_claim: empty (expected: a claim's name)");
    }
    if (!jwks.isEmpty() && (issuer.isBlank() || audience.isBlank())) {
      throw new IllegalArgumentException(
          "issuer: \"%s\", audience: \"%s\" (expected: both, beside jwks)"
              .formatted(issuer, audience));
    }
    if (jwks.contains("://") && !isHttps(jwks)) {
      throw new IllegalArgumentException(
          "jwks: %s (expected: a file, or an https address)".formatted(jwks));
    }
  }

  private static boolean isHttps(String address) {
    try {
      URI uri = URI.create(address);
      return "https".equals(uri.getScheme()) && uri.getHost() != null && uri.getUserInfo() == null;
    } catch (IllegalArgumentException e) {
      return false;
    }
  }

  /** No such tokens. */
  public static JwtConfig off() {
    return new JwtConfig(
        "",
        "",
        "",
        List.of("RS256", "ES256"),
        Duration.ofSeconds(30),
        Duration.ofMinutes(5),
        "scope",
        "tenant",
        "");
  }

  boolean isOff() {
    return jwks.isEmpty();
  }
}
