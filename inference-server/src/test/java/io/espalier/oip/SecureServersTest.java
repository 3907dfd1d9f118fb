package io.espalier.oip;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;

import io.espalier.inference.ModelCall;
import io.espalier.inference.Tensor;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import io.espalier.inference.onnx.TestRepository;
import io.espalier.inference.triton.TritonModelRunner;
import io.espalier.inference.triton.TritonSettings;
import io.espalier.oip.InferenceSettings.Control;
import io.espalier.server.Caller;
import io.espalier.server.CallerConfig;
import io.espalier.server.EspalierServer;
import io.espalier.server.Secret;
import io.espalier.server.ServerConfig;
import io.espalier.server.TestAuthority;
import io.espalier.server.TlsConfig;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.metrics.SdkMeterProvider;
import io.opentelemetry.sdk.testing.exporter.InMemoryMetricReader;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The client of Triton over servers that want certificates, and show them. */
class SecureServersTest {
  private static final Duration SOON = Duration.ofMinutes(2);
  private static final int SERVERS = 2;

  @TempDir private Path models;
  @TempDir private Path folder;
  private final List<AutoCloseable> open = new ArrayList<>();
  private final InMemoryMetricReader metrics = InMemoryMetricReader.create();
  private final OpenTelemetrySdk telemetry =
      OpenTelemetrySdk.builder()
          .setMeterProvider(SdkMeterProvider.builder().registerMetricReader(metrics).build())
          .build();
  private final TestAuthority authority = new TestAuthority("authority");

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable each : open.reversed()) {
      each.close();
    }
  }

  private <T extends AutoCloseable> T keep(T closeable) {
    open.add(closeable);
    return closeable;
  }

  private Path file(String name) {
    return folder.resolve(name);
  }

  private void identity(String name, TestAuthority by) {
    by.issue(name).write(file(name + ".pem"), file(name + ".key"));
  }

  private void trust(String name, TestAuthority... authorities) {
    StringBuilder pem = new StringBuilder();
    for (TestAuthority one : authorities) {
      pem.append(one.pem());
    }
    TestAuthority.replace(file(name), pem.toString());
  }

  /** Where a server of its own listens; it ends connections as soon as they are made. */
  private String serve() throws IOException {
    EmbeddedModelRunner engine = keep(new EmbeddedModelRunner(models));
    engine.load("affine");
    ServerConfig config =
        ServerConfig.of(
            Map.of(
                "tls.certificate",
                file("server.pem").toString(),
                "tls.key",
                file("server.key").toString(),
                "tls.trust",
                file("clients.ca").toString(),
                "tls.reload",
                "20ms",
                "max_connection_age",
                "50ms",
                "max_connection_age_grace",
                "20s"));
    return keep(InferenceComponent.over(
                engine, Control.EXPLICIT, "test", model -> {}, OpenTelemetry.noop())
            .install(EspalierServer.builder("inference", config).openTelemetry(telemetry))
            .build()
            .start())
        .target();
  }

  private TritonModelRunner runner(List<String> targets, String identity) {
    Caller caller =
        keep(
            Caller.open(
                "engine",
                new CallerConfig(
                    new TlsConfig(
                        file(identity + ".pem").toString(),
                        file(identity + ".key").toString(),
                        file("servers.ca").toString(),
                        "1.3",
                        Duration.ofMillis(20)),
                    Secret.none()),
                telemetry.getMeter("test")));
    return keep(
        TritonModelRunner.connect(
            new TritonSettings(targets, caller.credentials(), TritonSettings.KEEP_ALIVE),
            telemetry.getMeter("test")));
  }

  private static void infer(TritonModelRunner runner, float x) {
    ModelCall call =
        new ModelCall(
            "affine",
            Map.of("x", Tensor.ofFloats(new float[] {x}, 1, 1)),
            System.nanoTime() + TimeUnit.SECONDS.toNanos(60));
    assertThat(requireNonNull(runner.infer(call).join().get("y")).floats().get(0))
        .isEqualTo(2 * x + 1);
  }

  /** How often an end has read a changed part of its files, over all of them. */
  private long reloads(String use, String part) {
    Attributes counted =
        Attributes.of(
            AttributeKey.stringKey("use"), use,
            AttributeKey.stringKey("part"), part,
            AttributeKey.stringKey("result"), "ok");
    return metrics.collectAllMetrics().stream()
        .filter(data -> data.getName().equals("espalier.tls.reloads"))
        .flatMap(data -> data.getLongSumData().getPoints().stream())
        .filter(point -> point.getAttributes().equals(counted))
        .mapToLong(point -> point.getValue())
        .sum();
  }

  private record Change(String use, String part, Runnable made) {}

  /** As operators do it: the new authority is trusted before anything of it is shown. */
  @Test
  void infer_certificatesAndAuthorityChange_noCallFails() throws Exception {
    new TestRepository(models).affine("affine", "instance_group { count: 1 kind: KIND_CPU }\n");
    TestAuthority next = new TestAuthority("next authority");
    for (String name : List.of("server", "stage", "old")) {
      identity(name, authority);
    }
    trust("servers.ca", authority);
    trust("clients.ca", authority);
    List<String> targets = new ArrayList<>();
    for (int i = 0; i < SERVERS; i++) {
      targets.add(serve());
    }
    TritonModelRunner runner = runner(targets, "stage");
    await().atMost(SOON).until(() -> runner.isReady("affine"));
    AtomicBoolean stop = new AtomicBoolean();
    AtomicInteger answered = new AtomicInteger();
    Queue<Throwable> failures = new ConcurrentLinkedQueue<>();
    List<Thread> load = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      load.add(
          Thread.ofVirtual()
              .start(
                  () -> {
                    while (!stop.get()) {
                      try {
                        infer(runner, answered.get() % 1_000);
                        answered.incrementAndGet();
                      } catch (Throwable e) {
                        failures.add(e);
                      }
                    }
                  }));
    }
    List<Change> changes =
        List.of(
            new Change("server", "certificate", () -> identity("server", authority)),
            new Change("engine", "certificate", () -> identity("stage", authority)),
            new Change("engine", "trust", () -> trust("servers.ca", authority, next)),
            new Change("server", "trust", () -> trust("clients.ca", authority, next)),
            new Change("server", "certificate", () -> identity("server", next)),
            new Change("engine", "certificate", () -> identity("stage", next)),
            new Change("engine", "trust", () -> trust("servers.ca", next)),
            new Change("server", "trust", () -> trust("clients.ca", next)));
    for (Change change : changes) {
      long wanted =
          reloads(change.use(), change.part()) + (change.use().equals("server") ? SERVERS : 1);
      change.made().run();
      await().atMost(SOON).until(() -> reloads(change.use(), change.part()) >= wanted);
      int before = answered.get();
      await().atMost(SOON).until(() -> answered.get() > before + 200 || !failures.isEmpty());
    }
    stop.set(true);
    for (Thread thread : load) {
      thread.join();
    }
    System.out.println(
        "SecureServersTest: " + answered + " calls during " + changes.size() + " changes");
    assertThat(failures).isEmpty();
    TritonModelRunner old = runner(targets, "old");
    // A refusal of TLS 1.3 may be overtaken by the end of its connection.
    await()
        .atMost(SOON)
        .untilAsserted(
            () ->
                assertThat(
                        Caller.tlsFailure(
                            catchThrowable(() -> old.awaitServer(Duration.ofSeconds(1)))))
                    .contains("the server does not trust this client's certificate"));
  }
}
