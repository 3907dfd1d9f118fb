package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.bundles.BundleRepository;
import io.espalier.cli.cluster.EngineSettings.Models;
import io.espalier.inference.ModelException;
import io.espalier.inference.triton.TritonSettings;
import io.espalier.server.ConfigException;
import io.espalier.server.Secret;
import io.opentelemetry.api.OpenTelemetry;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
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
                List.of(), Models.NAMED, Duration.ofMinutes(5), Duration.ofMinutes(2)));
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

    assertThat(ServeConfig.defaults(Stage.RANKING, NONE, NONE, NONE).with(keys).engine())
        .isEqualTo(
            new EngineSettings(
                List.of("dns:///triton:8001", "10.0.0.2:8001"),
                Models.SENT,
                Duration.ofSeconds(30),
                Duration.ofSeconds(5)));
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
    assertThatThrownBy(() -> config.with(Map.of("engine.target", "x")))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("targets");
  }

  @Test
  void open_noServerAnswers_failsWithinItsPatience(@TempDir Path repository) throws Exception {
    Files.createDirectories(repository.resolve("bundles"));
    EngineSettings nowhere =
        new EngineSettings(
            List.of("127.0.0.1:1"), Models.NAMED, Duration.ofMinutes(5), Duration.ofMillis(300));

    assertThatThrownBy(
            () ->
                nowhere.open(
                    BundleRepository.open(repository),
                    Set.of(),
                    Secret.none(),
                    OpenTelemetry.noop().getMeter("test")))
        .isInstanceOf(ModelException.class)
        .hasMessageContaining("no server of models answers");
  }
}
