package io.espalier.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.server.AdmissionConfig.TenantConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ServerConfigTest {
  @Test
  void defaults_nothingGiven_loopbackAndFreePort() {
    assertThat(ServerConfig.of(Map.of())).isEqualTo(ServerConfig.defaults());
    assertThat(ServerConfig.defaults().host()).isEqualTo("127.0.0.1");
    assertThat(ServerConfig.defaults().port()).isZero();
    assertThat(ServerConfig.defaults().authToken()).isEmpty();
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
                "secret"));
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
    ServerConfig config = ServerConfig.of(Map.of("auth_token", "hunter2"));
    assertThat(config.describe()).contains("(set)").doesNotContain("hunter2");
    assertThat(config.toString()).doesNotContain("hunter2");
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
