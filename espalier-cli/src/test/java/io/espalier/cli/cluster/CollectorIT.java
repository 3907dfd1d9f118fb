package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.protobuf.ByteString;
import io.espalier.server.OtlpReceiver;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.propagation.ContextPropagators;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.proto.trace.v1.Span;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.export.SimpleSpanProcessor;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A trace of five processes, and their metrics, by way of a real OpenTelemetry Collector. */
class CollectorIT {
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  @Test
  void trace_fromClientThroughRouterAndStagesToTheModel_arrivesWholeWithOneId(
      @TempDir Path directory, @TempDir Path folder) throws Exception {
    Optional<Path> program = Monitoring.program("otelcol-espalier");
    assumeTrue(
        program.isPresent(), "no otelcol-espalier on the path: k8s/monitoring/collector.sh has it");
    try (OtlpReceiver receiver = new OtlpReceiver()) {
      int port = freePort();
      Process collector = collector(program.get(), folder, port, receiver.endpoint());
      String endpoint = "http://127.0.0.1:" + port;
      try (OpenTelemetrySdk caller = caller(endpoint)) {
        awaitReady(collector, folder);
        try (WatchedServers servers =
            new WatchedServers(
                directory, List.of("otlp.endpoint=" + endpoint, "otlp.interval=1s"), caller)) {
          String trace = servers.ask();
          // Of a server too, some spans come before others.
          await()
              .atMost(PATIENCE)
              .untilAsserted(() -> assertWhole(spans(receiver, trace), receiver));
          await()
              .atMost(PATIENCE)
              .untilAsserted(
                  () ->
                      assertThat(receiver.metrics())
                          .contains(
                              "espalier.router.duration",
                              "espalier.inference.compute.time",
                              "rpc.server.duration"));
        }
      } finally {
        collector.destroy();
        if (!collector.waitFor(20, TimeUnit.SECONDS)) {
          collector.destroyForcibly();
        }
      }
    }
  }

  /** A trace's spans by their id; what was sent twice is one. */
  private static Map<ByteString, Span> spans(OtlpReceiver receiver, String trace) {
    return receiver.spans().stream()
        .filter(span -> hex(span.getTraceId()).equals(trace))
        .collect(Collectors.toMap(Span::getSpanId, Function.identity(), (first, again) -> first));
  }

  /**
   * One root, the caller's; every other span's parent is there; and below it are models of each
   * stage.
   */
  private static void assertWhole(Map<ByteString, Span> spans, OtlpReceiver receiver) {
    assertThat(
            spans.values().stream()
                .filter(span -> span.getParentSpanId().isEmpty())
                .map(Span::getName))
        .containsExactly("caller");
    assertThat(spans.values())
        .allMatch(
            span -> span.getParentSpanId().isEmpty() || spans.containsKey(span.getParentSpanId()));
    assertThat(pathsToModels(spans, receiver))
        .containsExactlyInAnyOrder(
            "caller > espalier-router > espalier-retrieval",
            "caller > espalier-router > espalier-ranking",
            "caller > espalier-router > espalier-rewrite");
  }

  /** The services on the way to each span of a model. */
  private static List<String> pathsToModels(Map<ByteString, Span> spans, OtlpReceiver receiver) {
    return spans.values().stream()
        .filter(span -> span.getName().startsWith("model "))
        .map(
            span -> {
              List<String> services = new ArrayList<>();
              for (Span at = span; at != null; at = spans.get(at.getParentSpanId())) {
                String service = receiver.service(at);
                if (services.isEmpty() || !services.getFirst().equals(service)) {
                  services.addFirst(service);
                }
              }
              return String.join(" > ", services);
            })
        .distinct()
        .toList();
  }

  private static String hex(ByteString id) {
    return HexFormat.of().formatHex(id.toByteArray());
  }

  private static OpenTelemetrySdk caller(String endpoint) {
    return OpenTelemetrySdk.builder()
        .setTracerProvider(
            SdkTracerProvider.builder()
                .setResource(
                    Resource.create(
                        Attributes.of(AttributeKey.stringKey("service.name"), "caller")))
                .addSpanProcessor(
                    SimpleSpanProcessor.create(
                        OtlpHttpSpanExporter.builder()
                            .setEndpoint(endpoint + "/v1/traces")
                            .build()))
                .build())
        .setPropagators(ContextPropagators.create(W3CTraceContextPropagator.getInstance()))
        .build();
  }

  /** A collector that takes OTLP over HTTP, gathers it in batches, and sends it on. */
  private static Process collector(Path program, Path folder, int port, String to)
      throws Exception {
    Path config =
        Files.writeString(
            folder.resolve("collector.yaml"),
            """
            receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:%d"}}}}
            processors: {batch: {timeout: 200ms}}
            exporters: {otlp_http: {endpoint: "%s"}}
            service:
              telemetry: {metrics: {level: none}}
              pipelines:
                traces: {receivers: [otlp], processors: [batch], exporters: [otlp_http]}
                metrics: {receivers: [otlp], processors: [batch], exporters: [otlp_http]}
            """
                .formatted(port, to));
    return new ProcessBuilder(program.toString(), "--config", config.toString())
        .redirectErrorStream(true)
        .redirectOutput(folder.resolve("collector.log").toFile())
        .start();
  }

  private static void awaitReady(Process collector, Path folder) {
    await()
        .atMost(PATIENCE)
        .failFast("the collector ended", () -> !collector.isAlive())
        .untilAsserted(
            () ->
                assertThat(folder.resolve("collector.log"))
                    .content()
                    .contains("Everything is ready"));
  }

  private static int freePort() throws Exception {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    }
  }
}
