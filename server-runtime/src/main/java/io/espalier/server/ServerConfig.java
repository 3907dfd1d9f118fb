package io.espalier.server;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * How a server listens, limits and stops.
 *
 * @param host address to listen on; loopback unless told otherwise
 * @param port TCP port; 0 takes a free one
 * @param maxMessageBytes largest request that is accepted
 * @param maxConnectionAge after this long a connection is asked to reconnect, so that clients find
 *     new replicas; 0 never
 * @param maxConnectionAgeGrace how long calls of an aged connection may go on
 * @param maxConcurrentCalls calls in progress beyond which further ones are refused; 0 for no limit
 * @param admission whom it lets in when more is asked of it than it can do
 * @param deadlineFloor a call that arrives with less time left than this is refused at once; 0
 *     refuses only expired ones
 * @param propagationDelay at stop, the time between NOT_SERVING and the end of accepting calls, for
 *     load balancers to notice
 * @param drainTimeout at stop, the time that calls in progress get
 * @param reflection whether stock tools may list the services
 * @param authToken the shared bearer token that callers must send; empty for none
 * @param tls certificates; none for plaintext
 * @param clientNames names (DNS or URI of the certificate, or its subject) of the clients that may
 *     call where they show certificates; empty for each that the trust accepts
 * @param jwt JSON web tokens that callers may send instead of the shared one
 * @param insecure whether everybody who reaches the address may do everything, where no credentials
 *     are asked for: something in front of it knows its callers
 * @param admin an address of its own for what few may do
 * @param healthPort a TCP port beside {@code port} for gRPC health alone, in plaintext, for probes
 *     that speak no TLS; 0 takes a free one, null is none
 * @param maxHeaderBytes largest headers of a call that are accepted
 * @param perClient what one client may take
 */
public record ServerConfig(
    String host,
    int port,
    int maxMessageBytes,
    Duration maxConnectionAge,
    Duration maxConnectionAgeGrace,
    int maxConcurrentCalls,
    AdmissionConfig admission,
    Duration deadlineFloor,
    Duration propagationDelay,
    Duration drainTimeout,
    boolean reflection,
    Secret authToken,
    TlsConfig tls,
    List<String> clientNames,
    JwtConfig jwt,
    boolean insecure,
    AdminConfig admin,
    @Nullable Integer healthPort,
    int maxHeaderBytes,
    PerClient perClient) {

  public ServerConfig {
    if (host.isBlank()) {
      throw new IllegalArgumentException("host: empty (expected: a host name or an address)");
    }
    inRange("port", port, 0, 65_535);
    inRange("max_message_bytes", maxMessageBytes, 1_024, 1 << 28);
    inRange("max_concurrent_calls", maxConcurrentCalls, 0, 1_000_000);
    notNegative("max_connection_age", maxConnectionAge);
    notNegative("max_connection_age_grace", maxConnectionAgeGrace);
    notNegative("deadline_floor", deadlineFloor);
    notNegative("propagation_delay", propagationDelay);
    notNegative("drain_timeout", drainTimeout);
    Objects.requireNonNull(admission, "admission");
    Objects.requireNonNull(authToken, "auth_token");
    Objects.requireNonNull(jwt, "jwt");
    Objects.requireNonNull(admin, "admin");
    Objects.requireNonNull(perClient, "per_client");
    clientNames = List.copyOf(clientNames);
    if (tls.hasTrust() && !tls.hasCertificate()) {
      throw new IllegalArgumentException(
          "tls.certificate: empty (expected: a server's own, beside tls.trust)");
    }
    if (!clientNames.isEmpty() && !tls.hasTrust()) {
      throw new IllegalArgumentException(
          "client_names: " + clientNames + " (expected: none without tls.trust)");
    }
    if (healthPort != null) {
      inRange("health_port", healthPort, 0, 65_535);
    }
    inRange("max_header_bytes", maxHeaderBytes, 1_024, 1 << 20);
  }

  /**
   * Loopback, a free port, 4 MiB messages, at most 1024 calls at once, reflection on, plaintext, no
   * credentials.
   */
  public static ServerConfig defaults() {
    return new ServerConfig(
        "127.0.0.1",
        0,
        4 << 20,
        Duration.ofMinutes(5),
        Duration.ofSeconds(30),
        1_024,
        AdmissionConfig.defaults(),
        Duration.ofMillis(1),
        Duration.ZERO,
        Duration.ofSeconds(10),
        true,
        Secret.none(),
        TlsConfig.off(),
        List.of(),
        JwtConfig.off(),
        false,
        AdminConfig.none(),
        null,
        16 << 10,
        PerClient.defaults());
  }

  /** The defaults, under a YAML file, under {@code key} → value pairs. */
  public static ServerConfig read(Path file, Map<String, String> overrides) {
    return ConfigFile.bind(
        ConfigFile.override(ConfigFile.read(file), overrides),
        file.toString(),
        ServerConfig.class,
        defaults());
  }

  /** The defaults under {@code key} → value pairs. */
  public static ServerConfig of(Map<String, String> overrides) {
    return ConfigFile.bind(
        ConfigFile.override(ConfigFile.parse("", "options"), overrides),
        "options",
        ServerConfig.class,
        defaults());
  }

  /** The same server on another address. */
  public ServerConfig on(String newHost, int newPort) {
    return with(newHost, newPort, maxMessageBytes, admission);
  }

  /** The same server for requests of up to so many bytes. */
  public ServerConfig withMaxMessageBytes(int bytes) {
    return with(host, port, bytes, admission);
  }

  /** The same server, which lets others in. */
  public ServerConfig withAdmission(AdmissionConfig newAdmission) {
    return with(host, port, maxMessageBytes, newAdmission);
  }

  private ServerConfig with(
      String newHost, int newPort, int newMaxMessageBytes, AdmissionConfig newAdmission) {
    return new ServerConfig(
        newHost,
        newPort,
        newMaxMessageBytes,
        maxConnectionAge,
        maxConnectionAgeGrace,
        maxConcurrentCalls,
        newAdmission,
        deadlineFloor,
        propagationDelay,
        drainTimeout,
        reflection,
        authToken,
        tls,
        clientNames,
        jwt,
        insecure,
        admin,
        healthPort,
        maxHeaderBytes,
        perClient);
  }

  /** The same server without addresses beside its own. */
  public ServerConfig withoutFurtherAddresses() {
    return new ServerConfig(
        host,
        port,
        maxMessageBytes,
        maxConnectionAge,
        maxConnectionAgeGrace,
        maxConcurrentCalls,
        admission,
        deadlineFloor,
        propagationDelay,
        drainTimeout,
        reflection,
        authToken,
        tls,
        clientNames,
        jwt,
        insecure,
        new AdminConfig(admin.host(), null, admin.authToken()),
        null,
        maxHeaderBytes,
        perClient);
  }

  /** YAML of the configuration without any secret, to be printed once. */
  public String describe() {
    return ConfigFile.print(this);
  }

  /** As {@link #describe}: a token never reaches a log. */
  @Override
  public String toString() {
    return describe();
  }

  private static void inRange(String key, int value, int min, int max) {
    if (value < min || value > max) {
      throw new IllegalArgumentException(
          "%s: %d (expected: %d..%d)".formatted(key, value, min, max));
    }
  }

  private static void notNegative(String key, Duration value) {
    if (value.isNegative()) {
      throw new IllegalArgumentException("%s: %s (expected: >= 0)".formatted(key, value));
    }
  }
}
