package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.espalier.rewrite.v1.RewriteRequest;
import io.espalier.rewrite.v1.RewriteResponse;
import io.espalier.rewrite.v1.RewriteServiceGrpc;
import io.espalier.server.Caller;
import io.espalier.server.CallerConfig;
import io.espalier.server.ClientChannels;
import io.espalier.server.EspalierServer;
import io.espalier.server.Secret;
import io.espalier.server.TestAuthority;
import io.espalier.server.TlsConfig;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What the manifests tell the program is what the program takes. */
class ManifestsTest {
  private static final Path K8S = Monitoring.ROOT.resolve("k8s");
  private static final Pattern SETTING = Pattern.compile("--set=([a-z_.]+)=(\\S+)");
  private static final Duration RELOAD = Duration.ofSeconds(10);
  private static final String MOUNT = "/etc/espalier-credentials";

  @TempDir private Path mounted = Path.of("");

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
    credentials();
    Map<String, String> settings = new LinkedHashMap<>();
    try (Stream<Path> files = Files.walk(K8S)) {
      for (Path file : files.filter(path -> path.toString().endsWith(".yaml")).toList()) {
        settings.putAll(settings(file));
      }
    }
    assertThat(settings)
        .containsKeys(
            "state",
            "snapshots.store",
            "telemetry.otlp.endpoint",
            "engine.targets",
            "engine.calls.tls.trust");
    // An unknown key or a value that its record refuses is an exception.
    ServeConfig read = config(Stage.ROUTER).with(settings);
    assertThat(read.state()).startsWith("redis://").contains("password_file=");
    assertThat(read.telemetry().otlp().endpoint()).startsWith("http://");
    assertThat(read.engine().targets()).containsExactly("dns:///triton:8001");
  }

  /** As the component mounts them, but on loopback. */
  @Test
  void credentials_ofTheComponent_letServersInAndNobodyElse() throws IOException {
    credentials();
    Map<String, String> settings =
        new LinkedHashMap<>(settings(K8S.resolve("components/credentials/kustomization.yaml")));
    assertThat(settings).containsEntry("server.admin.port", "7790");
    settings.putAll(
        Map.of(
            "server.host", "127.0.0.1",
            "server.port", "0",
            "server.admin.host", "127.0.0.1",
            "server.admin.port", "0",
            "server.health_port", "0"));
    ServeConfig config = config(Stage.RETRIEVAL).with(settings);
    assertThat(config.shown()).doesNotContain("a-clusters-token").doesNotContain("an-admins-token");
    try (EspalierServer server =
            EspalierServer.builder("test", config.server()).service(new Stages()).build().start();
        Caller peer = Caller.open(config.caller());
        Caller stranger =
            Caller.open(
                new CallerConfig(
                    new TlsConfig("", "", config.calls().tls().trust(), "1.3", RELOAD),
                    Secret.of("a-clusters-token")))) {
      assertThat(rewrite(server.target(), peer)).isEqualTo(Status.Code.OK);
      assertThat(rewrite(server.target(), stranger)).isEqualTo(Status.Code.UNAVAILABLE);
      assertThat(rewrite(server.adminTarget(), peer)).isEqualTo(Status.Code.UNIMPLEMENTED);
      assertThat(health("127.0.0.1:" + server.healthPort())).isEqualTo(ServingStatus.SERVING);
    }
  }

  private static final class Stages extends RewriteServiceGrpc.RewriteServiceImplBase {
    @Override
    public void rewrite(RewriteRequest request, StreamObserver<RewriteResponse> observer) {
      observer.onNext(RewriteResponse.getDefaultInstance());
      observer.onCompleted();
    }
  }

  private static Status.Code rewrite(String target, Caller caller) {
    ManagedChannel channel = ClientChannels.open(target, caller);
    try {
      var unused =
          RewriteServiceGrpc.newBlockingStub(channel)
              .withDeadlineAfter(60, TimeUnit.SECONDS)
              .rewrite(RewriteRequest.getDefaultInstance());
      return Status.Code.OK;
    } catch (StatusRuntimeException e) {
      return e.getStatus().getCode();
    } finally {
      channel.shutdownNow();
    }
  }

  private static ServingStatus health(String target) {
    ManagedChannel channel = ClientChannels.open(target);
    try {
      return HealthGrpc.newBlockingStub(channel)
          .withDeadlineAfter(60, TimeUnit.SECONDS)
          .check(HealthCheckRequest.getDefaultInstance())
          .getStatus();
    } finally {
      channel.shutdownNow();
    }
  }

  /** What the secrets hold that manifests name. */
  private void credentials() throws IOException {
    TestAuthority authority = new TestAuthority("authority");
    authority.issue("retrieval").write(mounted.resolve("tls.crt"), mounted.resolve("tls.key"));
    Files.writeString(mounted.resolve("ca.crt"), authority.pem());
    Files.writeString(mounted.resolve("cluster"), "a-clusters-token\n");
    Files.writeString(mounted.resolve("admin"), "an-admins-token\n");
  }

  private Map<String, String> settings(Path file) throws IOException {
    Map<String, String> settings = new LinkedHashMap<>();
    Matcher setting = SETTING.matcher(Files.readString(file));
    while (setting.find()) {
      settings.put(setting.group(1), setting.group(2).replace(MOUNT, mounted.toString()));
    }
    return settings;
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
