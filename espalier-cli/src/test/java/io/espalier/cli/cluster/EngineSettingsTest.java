package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.espalier.bundles.BundleRepository;
import io.espalier.cli.cluster.EngineSettings.Models;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelRunner;
import io.espalier.inference.triton.TritonSettings;
import io.espalier.server.Caller;
import io.espalier.server.CallerConfig;
import io.espalier.server.ConfigException;
import io.espalier.server.EspalierServer;
import io.espalier.server.Secret;
import io.espalier.server.TestAuthority;
import io.espalier.server.TlsConfig;
import io.opentelemetry.api.OpenTelemetry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EngineSettingsTest {
  private static final Path NONE = Path.of("none");

  @Test
  void defaults_nothingSaid_isTheEmbeddedEngine() {
    EngineSettings engine = ServeConfig.defaults(Stage.RANKING, NONE, NONE, NONE).engine();

    assertThat(engine)
        .isEqualTo(
            new EngineSettings(
                List.of(),
                Models.NAMED,
                Duration.ofMinutes(5),
                Duration.ofMinutes(2),
                CallerConfig.plain()));
    assertThat(engine.keepAlive()).isEqualTo(TritonSettings.KEEP_ALIVE);
    assertThat(engine.isEmbedded()).isTrue();
  }

  @Test
  void with_everyKey_isMapped() {
    Map<String, String> keys = new LinkedHashMap<>();
    keys.put("engine.targets", "[\"dns:///triton:8001\", \"10.0.0.2:8001\"]");
    keys.put("engine.models", "sent");
    keys.put("engine.keep_alive", "30s");
    keys.put("engine.patience", "5s");
    keys.put("engine.calls.tls.trust", "engines.pem");
    keys.put("engine.calls.tls.certificate", "ranking.pem");
    keys.put("engine.calls.tls.key", "ranking.key");
    keys.put("engine.calls.tls.reload", "1m");

    assertThat(ServeConfig.defaults(Stage.RANKING, NONE, NONE, NONE).with(keys).engine())
        .isEqualTo(
            new EngineSettings(
                List.of("dns:///triton:8001", "10.0.0.2:8001"),
                Models.SENT,
                Duration.ofSeconds(30),
                Duration.ofSeconds(5),
                new CallerConfig(
                    new TlsConfig(
                        "ranking.pem", "ranking.key", "engines.pem", "1.3", Duration.ofMinutes(1)),
                    Secret.none())));
  }

  @Test
  void engineCaller_noTokenOfItsOwn_hasTheServers() {
    ServeConfig config =
        ServeConfig.defaults(Stage.RANKING, NONE, NONE, NONE)
            .with(Map.of("server.auth_token", "a", "calls.token", "b"));

    assertThat(config.engineCaller().token().reveal()).isEqualTo("a");
    assertThat(config.with(Map.of("engine.calls.token", "c")).engineCaller().token().reveal())
        .isEqualTo("c");
  }

  /** What opens a server that has TLS is not to be read on the way to an engine. */
  @Test
  void engineCaller_serverHasTlsAndTheWayThereHasNot_hasNoTokenButItsOwn() {
    ServeConfig config =
        ServeConfig.defaults(Stage.RANKING, NONE, NONE, NONE)
            .with(
                Map.of(
                    "server.auth_token", "a",
                    "server.tls.certificate", "ranking.pem",
                    "server.tls.key", "ranking.key"));

    assertThat(config.engineCaller().token().isEmpty()).isTrue();
    assertThat(config.with(Map.of("engine.calls.token", "c")).engineCaller().token().reveal())
        .isEqualTo("c");
    assertThat(
            config
                .with(Map.of("engine.calls.tls.trust", "engines.pem"))
                .engineCaller()
                .token()
                .reveal())
        .isEqualTo("a");
  }

  @Test
  void with_wrongValues_areNamed() {
    ServeConfig config = ServeConfig.defaults(Stage.RANKING, NONE, NONE, NONE);
    assertThatThrownBy(() -> config.with(Map.of("engine.keep_alive", "1s")))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("keep_alive")
        .hasMessageContaining("expected: 10s or more");
    assertThatThrownBy(() -> config.with(Map.of("engine.targets", "[\" \"]")))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("dns:///triton:8001");
    assertThatThrownBy(() -> config.with(Map.of("engine.models", "mine")))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("engine");
    assertThatThrownBy(
            () ->
                config.with(
                    Map.of("engine.calls.tls.certificate", "a", "engine.calls.tls.key", "b")))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("tls.trust: empty");
    assertThatThrownBy(() -> config.with(Map.of("engine.target", "x")))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("targets");
  }

  @Test
  void open_noServerAnswers_failsWithinItsPatience(@TempDir Path repository) throws Exception {
    assertThatThrownBy(
            () -> open(repository, "127.0.0.1:1", Duration.ofMillis(300), Caller.plain()))
        .isInstanceOf(ModelException.class)
        .hasMessageContaining("no server of models answers");
  }

  @Test
  void open_serversOfTls_areThereForThoseThatTheyTrustAndOthersAreToldWhy(@TempDir Path folder)
      throws Exception {
    TestAuthority authority = new TestAuthority("authority");
    authority.issue("inference").write(folder.resolve("server.pem"), folder.resolve("server.key"));
    authority.issue("ranking").write(folder.resolve("stage.pem"), folder.resolve("stage.key"));
    Files.writeString(folder.resolve("authority.pem"), authority.pem());
    Files.writeString(folder.resolve("another.pem"), new TestAuthority("another").pem());
    Path repository = Files.createDirectory(folder.resolve("repository"));
    Map<String, String> server = tls("server", folder, "server", "authority");
    server.put("server.port", "0");
    server.put("inference.control", "explicit");
    try (EspalierServer inference =
            InferenceServer.of(
                    ServeConfig.defaults(Stage.INFERENCE, repository, NONE, NONE).with(server),
                    "test",
                    OpenTelemetry.noop())
                .build()
                .start();
        Caller good = caller(tls("engine.calls", folder, "stage", "authority"));
        Caller distrustful = caller(tls("engine.calls", folder, "stage", "another"));
        Caller anonymous =
            caller(Map.of("engine.calls.tls.trust", folder.resolve("authority.pem").toString()))) {
      open(repository, inference.target(), Duration.ofMinutes(2), good).close();
      refused(
          () -> open(repository, inference.target(), Duration.ofSeconds(1), distrustful),
          "the server's certificate is of an authority that is not trusted here");
      refused(
          () -> open(repository, inference.target(), Duration.ofSeconds(1), anonymous),
          "the server wants a certificate of its clients");
    }
  }

  /** Until it is: a refusal of TLS 1.3 may be overtaken by the end of its connection. */
  private static void refused(ThrowingCallable opening, String why) {
    await()
        .atMost(Duration.ofMinutes(2))
        .untilAsserted(
            () ->
                assertThatThrownBy(opening)
                    .isInstanceOf(ModelException.class)
                    .hasMessageContaining("127.0.0.1:")
                    .hasMessageEndingWith(why));
  }

  private static ModelRunner open(Path repository, String target, Duration patience, Caller caller)
      throws IOException {
    Files.createDirectories(repository.resolve("bundles"));
    return new EngineSettings(
            List.of(target), Models.NAMED, Duration.ofMinutes(5), patience, CallerConfig.plain())
        .open(
            BundleRepository.open(repository),
            Set.of(),
            caller,
            OpenTelemetry.noop().getMeter("test"));
  }

  private static Map<String, String> tls(String end, Path folder, String identity, String trust) {
    Map<String, String> keys = new LinkedHashMap<>();
    keys.put(end + ".tls.certificate", folder.resolve(identity + ".pem").toString());
    keys.put(end + ".tls.key", folder.resolve(identity + ".key").toString());
    keys.put(end + ".tls.trust", folder.resolve(trust + ".pem").toString());
    return keys;
  }

  private static Caller caller(Map<String, String> keys) {
    return Caller.open(
        ServeConfig.defaults(Stage.RANKING, NONE, NONE, NONE).with(keys).engineCaller());
  }
}
