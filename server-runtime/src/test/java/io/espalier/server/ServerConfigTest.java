package io.espalier.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.server.AdmissionConfig.TenantConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ServerConfigTest {
  @Test
  void defaults_nothingGiven_loopbackAndFreePort() {
    assertThat(ServerConfig.of(Map.of())).isEqualTo(ServerConfig.defaults());
    assertThat(ServerConfig.defaults().host()).isEqualTo("127.0.0.1");
    assertThat(ServerConfig.defaults().port()).isZero();
    assertThat(ServerConfig.defaults().authToken().isEmpty()).isTrue();
  }

  @Test
  void read_everyKey_isMapped(@TempDir Path dir) throws IOException {
    Path file = dir.resolve("server.yaml");
    Files.writeString(
        file,
        """
        host: 0.0.0.0
        port: 9000
        max_message_bytes: 8192
        max_connection_age: 2m
        max_connection_age_grace: 1500ms
        max_concurrent_calls: 7
        admission:
          adaptive: true
          target: 0.8
          least_calls: 4
          tenant: {weight: 2, rate: 10, burst: 20}
          tenants: {acme: {weight: 3}, crawler: {weight: 0.5, rate: 5}}
        deadline_floor: 250us
        propagation_delay: 3s
        drain_timeout: 1h
        reflection: false
        auth_token: secret
        tls: {certificate: c.pem, key: k.pem, trust: t.pem, min_version: 1.2, reload: 3s}
        client_names: [router, "spiffe://cluster/router"]
        jwt:
          jwks: keys.json
          issuer: https://issuer
          audience: espalier
          algorithms: [ES384]
          clock_skew: 5s
          refresh: 1m
          scope_claim: scp
          tenant_claim: org
          trust: ca.pem
        insecure: true
        admin: {host: "::1", port: 7, auth_token: other}
        health_port: 8
        max_header_bytes: 4096
        per_client: {connections: 9, calls_per_second: 2.5, burst: 3}
        """);
    assertThat(ServerConfig.read(file, Map.of("port", "9001")))
        .isEqualTo(
            new ServerConfig(
                "0.0.0.0",
                9001,
                8192,
                Duration.ofMinutes(2),
                Duration.ofMillis(1500),
                7,
                new AdmissionConfig(
                    true,
                    .8,
                    4,
                    new TenantConfig(2, 10, 20),
                    Map.of(
                        "acme", new TenantConfig(3, 0, 0),
                        "crawler", new TenantConfig(.5, 5, 0))),
                Duration.ofNanos(250_000),
                Duration.ofSeconds(3),
                Duration.ofHours(1),
                false,
                Secret.of("secret"),
                new TlsConfig("c.pem", "k.pem", "t.pem", "1.2", Duration.ofSeconds(3)),
                List.of("router", "spiffe://cluster/router"),
                new JwtConfig(
                    "keys.json",
                    "https://issuer",
                    "espalier",
                    List.of("ES384"),
                    Duration.ofSeconds(5),
                    Duration.ofMinutes(1),
                    "scp",
                    "org",
                    "ca.pem"),
                true,
                new AdminConfig("::1", 7, Secret.of("other")),
                8,
                4096,
                new PerClient(9, 2.5, 3)));
  }

  @Test
  void of_unknownKey_namesTheNearest() {
    assertThatThrownBy(() -> ServerConfig.of(Map.of("max_conection_age", "1s")))
        .isInstanceOf(ConfigException.class)
        .hasMessage(
            "options: max_conection_age: unknown key (nearest known key: max_connection_age)");
  }

  @Test
  void of_valueOutOfRange_namesValueAndExpectation() {
    assertThatThrownBy(() -> ServerConfig.of(Map.of("port", "70000")))
        .hasMessageContaining("port: 70000 (expected: 0..65535)");
    assertThatThrownBy(() -> ServerConfig.of(Map.of("drain_timeout", "10")))
        .hasMessageContaining("drain_timeout: 10 (expected: a duration");
    assertThatThrownBy(() -> ServerConfig.of(Map.of("port", "many")))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("port");
    assertThatThrownBy(() -> ServerConfig.of(Map.of("admission.target", "1.5")))
        .hasMessageContaining("target: 1.5 (expected: 0 < target <= 1)");
    assertThatThrownBy(() -> ServerConfig.of(Map.of("admission.tenants.acme.weight", "0")))
        .hasMessageContaining("weight: 0.0 (expected: > 0, at most 1000000)");
  }

  @Test
  void describe_token_isHidden() {
    ServerConfig config =
        ServerConfig.of(Map.of("auth_token", "hunter2", "admin.auth_token", "hunter3"));
    assertThat(config.describe()).contains("(set)").doesNotContain("hunter");
    assertThat(config.toString()).doesNotContain("hunter");
    assertThat(config.authToken().toString()).doesNotContain("hunter");
    assertThat(config.authToken().reveal()).isEqualTo("hunter2");
    // What is laid over a configuration leaves its secrets as they are.
    assertThat(config.on("127.0.0.1", 3)).isEqualTo(config.on("127.0.0.1", 3));
    assertThat(
            ConfigFile.bind(ConfigFile.parse("port: 3", "x"), "x", ServerConfig.class, config)
                .authToken())
        .isEqualTo(config.authToken());
  }

  @Test
  void parse_spoiltTextBesideASecret_theErrorDoesNotQuoteIt() {
    for (String yaml :
        List.of(
            "auth_token: hunter2\n  port: 3\n",
            "auth_token: %hunter2\n",
            "auth_token: \"hunter2\n",
            "auth_token: hunter2: x\n",
            "auth_token: [hunter2]\n",
            "auth_token: {file: [hunter2]}\n",
            "auth_token: `hunter2\n")) {
      assertThatThrownBy(
              () ->
                  ConfigFile.bind(
                      ConfigFile.parse(yaml, "x.yaml"),
                      "x.yaml",
                      ServerConfig.class,
                      ServerConfig.defaults()))
          .as(yaml)
          .isInstanceOf(ConfigException.class)
          .hasMessageContaining("x.yaml")
          .hasMessageNotContaining("hunter2");
    }
    assertThatThrownBy(() -> ServerConfig.of(Map.of("auth_token", "\"hunter2")))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("auth_token")
        .hasMessageNotContaining("hunter2");
  }

  @Test
  void parse_deepLongOrAliased_isRefused() {
    assertThatThrownBy(() -> ConfigFile.parse("a: " + "[".repeat(50) + "]".repeat(50), "x"))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("nested too deep (expected: at most 32 levels)");
    assertThatThrownBy(() -> ConfigFile.parse("a: " + "[".repeat(200_000), "x"))
        .isInstanceOf(ConfigException.class);
    assertThatThrownBy(() -> ConfigFile.parse("a: " + "x".repeat(2_000_000), "x"))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("too long");
    assertThatThrownBy(() -> ConfigFile.parse("a: &x [1]\nb: [*x, *x]\n", "x"))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("alias");
  }

  @Test
  void print_addressWithAPassword_isHidden() {
    record Addressed(String at) {}
    assertThat(ConfigFile.print(new Addressed("https://me:hunter2@host:1/x")))
        .contains("https://(hidden)@host:1/x")
        .doesNotContain("hunter2");
  }

  @Test
  void of_keysThatDoNotGoTogether_areRefused() {
    assertThatThrownBy(() -> ServerConfig.of(Map.of("tls.trust", "ca.pem")))
        .hasMessageContaining("tls.certificate");
    assertThatThrownBy(() -> ServerConfig.of(Map.of("client_names", "[router]")))
        .hasMessageContaining("tls.trust");
    assertThatThrownBy(() -> ServerConfig.of(Map.of("jwt.jwks", "keys.json")))
        .hasMessageContaining("issuer");
    assertThatThrownBy(
            () ->
                ServerConfig.of(
                    Map.of("jwt.jwks", "http://x/k", "jwt.issuer", "i", "jwt.audience", "a")))
        .hasMessageContaining("https");
    assertThatThrownBy(() -> ServerConfig.of(Map.of("jwt.clock_skew", "1h")))
        .hasMessageContaining("clock_skew");
  }

  @Test
  void parse_keyGivenTwice_isAnError() {
    assertThatThrownBy(() -> ConfigFile.parse("port: 1\nport: 2\n", "x.yaml"))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("x.yaml");
  }

  @Test
  void merge_mapsAndLists_mapsMergeListsReplace() {
    var base = ConfigFile.parse("{a: {b: 1, c: [1, 2]}, d: 4}", "base");
    var over = ConfigFile.parse("{a: {c: [3]}, e: 5}", "over");
    assertThat(ConfigFile.merge(base, over))
        .isEqualTo(ConfigFile.parse("{a: {b: 1, c: [3]}, d: 4, e: 5}", "merged"));
  }

  @Test
  void distance_knownPairs_isLevenshtein() {
    assertThat(ConfigFile.distance("kitten", "sitting")).isEqualTo(3);
    assertThat(ConfigFile.distance("", "abc")).isEqualTo(3);
    assertThat(ConfigFile.distance("abc", "abc")).isZero();
  }
}
