package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.propagation.ContextPropagators;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.testing.exporter.InMemorySpanExporter;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.export.SimpleSpanProcessor;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer.OrderAnnotation;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.api.io.TempDir;

/**
 * A real Prometheus over four servers of the built-in shop: it reads their metrics, every
 * expression of the project's files has its series there, and an alert rings when a server dies,
 * which the last test brings about.
 */
@TestMethodOrder(OrderAnnotation.class)
@EnabledIf(
    value = "hasPrometheus",
    disabledReason = "no prometheus on the path: k8s/monitoring/tools.sh has it")
class MonitoringIT {
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final OpenTelemetrySdk CALLER =
      OpenTelemetrySdk.builder()
          // Without anyone who takes its spans it would make none.
          .setTracerProvider(
              SdkTracerProvider.builder()
                  .addSpanProcessor(SimpleSpanProcessor.create(InMemorySpanExporter.create()))
                  .build())
          .setPropagators(ContextPropagators.create(W3CTraceContextPropagator.getInstance()))
          .build();

  /** The traces of what was asked. */
  private static final List<String> ASKED = new ArrayList<>();

  @TempDir private static Path directory = Path.of("");
  @TempDir private static Path store = Path.of("");
  private static WatchedServers servers;
  private static PrometheusServer prometheus;

  static boolean hasPrometheus() {
    return Monitoring.program("prometheus").isPresent();
  }

  @BeforeAll
  static void start() throws Exception {
    Path program = Monitoring.program("prometheus").orElseThrow();
    servers = new WatchedServers(directory, List.of("metrics.port=0"), CALLER);
    Map<String, String> targets = new LinkedHashMap<>();
    for (String server : WatchedServers.ALL) {
      targets.put(server, servers.process(server).metrics());
    }
    prometheus = new PrometheusServer(program, store, targets);
    await().atMost(PATIENCE).until(() -> prometheus.query("up == 1").size() == targets.size());
    ASKED.add(servers.ask());
    // Rates want two samples that differ.
    await()
        .atMost(PATIENCE)
        .until(
            () -> {
              ASKED.add(servers.ask());
              return !prometheus
                  .query("rate(espalier_router_duration_seconds_count[30s]) > 0")
                  .isEmpty();
            });
  }

  @AfterAll
  static void stop() throws Exception {
    if (prometheus != null) {
      prometheus.close();
    }
    if (servers != null) {
      servers.close();
    }
  }

  @Test
  @Order(1)
  void rules_ofTheProject_areLoadedAndNoneOfThemRings() throws Exception {
    List<String> loaded = new ArrayList<>();
    await()
        .atMost(PATIENCE)
        .untilAsserted(
            () -> {
              loaded.clear();
              for (JsonNode rule : rules()) {
                assertThat(rule.path("health").asText()).as(rule.toString()).isEqualTo("ok");
                loaded.add(rule.path("name").asText());
              }
              assertThat(loaded).isNotEmpty();
            });
    assertThat(loaded)
        .containsExactlyElementsOf(
            Monitoring.alerts().stream().map(Monitoring.Alert::name).toList());
    // There is no writer here, which rings where the start took its time.
    assertThat(firing()).isSubsetOf("EspalierAbsent espalier-catalog");
  }

  @Test
  @Order(2)
  void dashboard_everyExpression_isAnsweredAndTheStagesAreSeen() {
    // A server that did not give its metrics in time has no series until it does.
    await()
        .atMost(PATIENCE)
        .untilAsserted(
            () -> {
              List<String> empty = new ArrayList<>();
              for (String expression : Monitoring.dashboard()) {
                if (prometheus.query(expression).isEmpty()) {
                  empty.add(expression);
                }
              }
              // What nothing was done for in this test has no series: refusals, degradations, the
              // catalogue.
              assertThat(empty).hasSizeLessThan(Monitoring.dashboard().size() / 2);
              assertThat(values("espalier_router_stage_duration_seconds_count", "espalier_stage"))
                  .contains("ranking");
              assertThat(values("espalier_server_serving == 1", "job"))
                  .containsExactlyInAnyOrderElementsOf(
                      WatchedServers.ALL.stream().map(server -> "espalier-" + server).toList());
            });
  }

  @Test
  @Order(3)
  void autoscaling_whatItAsks_hasASeriesForEachServer() throws Exception {
    Path components = Monitoring.ROOT.resolve("k8s/components");
    int queries = 0;
    for (JsonNode scaled :
        new YAMLMapper()
            .readerFor(JsonNode.class)
            .<JsonNode>readValues(components.resolve("keda/scaled-objects.yaml").toFile())
            .readAll()) {
      for (JsonNode trigger : scaled.path("spec").path("triggers")) {
        String query = trigger.path("metadata").path("query").asText();
        assertOneSeries(query);
        // The fallback of a server that runs no model is not what answers here.
        assertOneSeries(query.replace("or vector(0)", ""));
        queries++;
      }
    }
    assertThat(queries).isEqualTo(7);

    JsonNode rule =
        new YAMLMapper()
            .readTree(components.resolve("hpa/adapter.yaml").toFile())
            .at("/externalRules/0");
    for (JsonNode scaler :
        new YAMLMapper()
            .readerFor(JsonNode.class)
            .<JsonNode>readValues(components.resolve("hpa/hpa.yaml").toFile())
            .readAll()) {
      JsonNode metric = scaler.at("/spec/metrics/0/external/metric");
      String asked =
          rule.path("metricsQuery")
              .asText()
              .replace("<<.Series>>", metric.path("name").asText())
              .replace(
                  "<<.LabelMatchers>>",
                  "namespace=\"espalier\",job=\"%s\""
                      .formatted(metric.at("/selector/matchLabels/job").asText()));
      assertOneSeries(asked);
    }
  }

  @Test
  @Order(4)
  void exemplars_ofACallersTrace_areKeptForRouterAndStages() {
    await()
        .atMost(PATIENCE)
        .untilAsserted(
            () -> {
              // Of several between two looks a bucket has kept the last.
              assertThat(traces("espalier_router_duration_seconds_bucket"))
                  .containsAnyElementsOf(ASKED);
              assertThat(traces("rpc_server_duration_seconds_bucket{job=\"espalier-retrieval\"}"))
                  .containsAnyElementsOf(ASKED);
              assertThat(traces("espalier_inference_compute_time_seconds_bucket"))
                  .containsAnyElementsOf(ASKED);
            });
  }

  @Test
  @Order(5)
  void alert_aServerDies_ringsForItAlone() throws Exception {
    servers.process("rewrite").kill();
    await()
        .atMost(PATIENCE.multipliedBy(2))
        .pollInterval(Duration.ofSeconds(1))
        .until(() -> firing().contains("EspalierDown espalier-rewrite"));
    assertThat(firing().stream().filter(alert -> alert.startsWith("EspalierDown"))).hasSize(1);
  }

  /** Waits, as an average over steps of some seconds has no value before its first step. */
  private static void assertOneSeries(String query) {
    await()
        .atMost(PATIENCE)
        .untilAsserted(() -> assertThat(prometheus.query(query)).as(query).hasSize(1));
  }

  private static Iterable<JsonNode> rules() throws IOException, InterruptedException {
    List<JsonNode> rules = new ArrayList<>();
    for (JsonNode group : prometheus.get("rules?type=alert").path("groups")) {
      group.path("rules").forEach(rules::add);
    }
    return rules;
  }

  /** Alerts that ring, each with its job. */
  private static List<String> firing() throws IOException, InterruptedException {
    return stream(prometheus.get("alerts").path("alerts"))
        .filter(alert -> alert.path("state").asText().equals("firing"))
        .map(alert -> alert.path("labels"))
        .map(labels -> labels.path("alertname").asText() + " " + labels.path("job").asText())
        .toList();
  }

  private static List<String> values(String expression, String label) throws Exception {
    return stream(prometheus.query(expression))
        .map(series -> series.path("metric").path(label).asText())
        .distinct()
        .toList();
  }

  /** The traces of a series' exemplars. */
  private static List<String> traces(String series) throws Exception {
    Instant now = Instant.now();
    JsonNode found =
        prometheus.get(
            "query_exemplars?query=%s&start=%d&end=%d"
                .formatted(
                    PrometheusServer.encoded(series),
                    now.minus(Duration.ofMinutes(30)).getEpochSecond(),
                    now.plusSeconds(60).getEpochSecond()));
    return stream(found)
        .flatMap(one -> stream(one.path("exemplars")))
        .map(exemplar -> exemplar.path("labels").path("trace_id").asText())
        .toList();
  }

  private static Stream<JsonNode> stream(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false);
  }
}
