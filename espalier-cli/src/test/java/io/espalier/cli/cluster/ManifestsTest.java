package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What the manifests tell the program is what the program takes. */
class ManifestsTest {
  private static final Path K8S = Monitoring.ROOT.resolve("k8s");
  private static final Pattern SETTING = Pattern.compile("--set=([a-z_.]+)=(\\S+)");

  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "INFERENCE")
  void config_ofEachServer_isTakenAndListensWhereTheManifestSays(Stage stage) throws IOException {
    ServeConfig config = config(stage);
    JsonNode container = manifest(stage).at("/spec/template/spec/containers/0");
    int port = container.at("/ports/0/containerPort").asInt();
    assertThat(config.server().host()).isEqualTo("0.0.0.0");
    assertThat(config.server().port()).isEqualTo(port).isEqualTo(stage.port());
    for (String probe : List.of("startupProbe", "readinessProbe")) {
      assertThat(container.path(probe).at("/grpc/port").asInt()).as(probe).isEqualTo(port);
    }
    assertThat(container.path("args").get(1).asText()).isEqualTo(stage.toString());
    assertThat(config.telemetry().metrics().host()).isEqualTo("0.0.0.0");
    assertThat(config.telemetry().metrics().port())
        .isEqualTo(everyPod().at("/spec/template/spec/containers/0/ports/0/containerPort").asInt());
  }

  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "INFERENCE")
  void stopping_ofEachServer_endsWithinThePodsGracePeriod(Stage stage) throws IOException {
    JsonNode pod = everyPod().at("/spec/template/spec");
    Duration asked =
        Duration.ofSeconds(pod.at("/containers/0/lifecycle/preStop/sleep/seconds").asLong())
            .plus(config(stage).server().propagationDelay())
            .plus(config(stage).server().drainTimeout());
    assertThat(asked)
        .isPositive()
        .isLessThan(Duration.ofSeconds(pod.path("terminationGracePeriodSeconds").asLong() - 5));
  }

  @Test
  void settings_ofComponentsAndOverlays_areOnesOfTheProgram() throws IOException {
    Map<String, String> settings = new LinkedHashMap<>();
    try (Stream<Path> files = Files.walk(K8S)) {
      for (Path file : files.filter(path -> path.toString().endsWith(".yaml")).toList()) {
        Matcher setting = SETTING.matcher(Files.readString(file));
        while (setting.find()) {
          settings.put(setting.group(1), setting.group(2));
        }
      }
    }
    assertThat(settings).containsKeys("state", "snapshots.store", "telemetry.otlp.endpoint", "engine.targets");
    // An unknown key or a value that its record refuses is an exception.
    ServeConfig read = config(Stage.ROUTER).with(settings);
    assertThat(read.state()).startsWith("redis://").contains("password_file=");
    assertThat(read.telemetry().otlp().endpoint()).startsWith("http://");
    assertThat(read.engine().targets()).containsExactly("dns:///triton:8001");
  }

  private static ServeConfig config(Stage stage) {
    Path nowhere = Path.of("nowhere");
    return ServeConfig.defaults(stage, nowhere, nowhere, nowhere)
        .under(K8S.resolve("base/config/" + name(stage) + ".yaml"));
  }

  /** The workload is its file's first document. */
  private static JsonNode manifest(Stage stage) throws IOException {
    return yaml("base/" + name(stage) + ".yaml");
  }

  private static JsonNode everyPod() throws IOException {
    return yaml("base/every-pod.yaml");
  }

  private static JsonNode yaml(String file) throws IOException {
    return new YAMLMapper().readTree(K8S.resolve(file).toFile());
  }

  private static String name(Stage stage) {
    return stage.name().toLowerCase(Locale.ROOT);
  }
}
