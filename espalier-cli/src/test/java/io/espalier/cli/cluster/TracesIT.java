package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.bundles.BundleRepository;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RecommendResponse;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.User;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.stores.users.EmbeddedUserStates;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Scope;
import io.opentelemetry.context.propagation.ContextPropagators;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.testing.exporter.InMemorySpanExporter;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.opentelemetry.sdk.trace.export.SimpleSpanProcessor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** One request on its way through the servers of a cluster is one trace. */
class TracesIT {
  private static final Path ROOT = Path.of(System.getProperty("espalier.root"));
  private static final String ROUTER = "espalier.router.v1.RouterService/Recommend";
  private static final String RETRIEVAL = "espalier.retrieval.v1.RetrievalService/Retrieve";

  private final InMemorySpanExporter spans = InMemorySpanExporter.create();
  private final OpenTelemetrySdk telemetry =
      OpenTelemetrySdk.builder()
          .setTracerProvider(
              SdkTracerProvider.builder()
                  .addSpanProcessor(SimpleSpanProcessor.create(spans))
                  .build())
          .setPropagators(ContextPropagators.create(W3CTraceContextPropagator.getInstance()))
          .build();

  @Test
  void recommend_callerHasATrace_itGoesOnThroughRouterAndStagesToTheModels(@TempDir Path none)
      throws Exception {
    DataFolder data = DataFolder.open(BuiltInShop.folder(ROOT));
    Deployment deployment =
        withoutBudgets(Deployment.of(BundleRepository.open(ROOT.resolve("model-repo")), data));
    EmbeddedUserStates users = EmbeddedUserStates.inMemory(100);
    users.load(data, 0);
    String traceId;
    try (Cluster cluster =
        Cluster.inProcess(new StageServers(deployment, none).withTelemetry(telemetry), users)) {
      Span caller = telemetry.getTracer("test").spanBuilder("caller").startSpan();
      traceId = caller.getSpanContext().getTraceId();
      try (Scope _ = caller.makeCurrent()) {
        RecommendResponse response =
            RouterServiceGrpc.newBlockingStub(cluster.router())
                .withDeadlineAfter(60, TimeUnit.SECONDS)
                .recommend(
                    RecommendRequest.newBuilder()
                        .setUser(User.newBuilder().setId(data.sequences().getFirst().user()))
                        .build());
        assertThat(response.getPage().getItemsCount()).isPositive();
      } finally {
        caller.end();
      }
    }
    List<SpanData> all = spans.getFinishedSpanItems();
    assertThat(all).allMatch(span -> span.getTraceId().equals(traceId));
    Map<String, SpanData> byId =
        all.stream().collect(Collectors.toMap(SpanData::getSpanId, Function.identity()));
    List<SpanData> models =
        all.stream()
            .filter(span -> span.getName().startsWith("model "))
            .filter(span -> ancestors(span, byId).contains(RETRIEVAL))
            .toList();
    assertThat(models).isNotEmpty();
    for (SpanData model : models) {
      assertThat(ancestors(model, byId))
          .as(model.getName())
          .containsExactly(RETRIEVAL, RETRIEVAL, ROUTER, ROUTER, "caller");
      assertThat(model.getEvents()).extracting(event -> event.getName()).contains("run started");
    }
    Set<String> names = all.stream().map(SpanData::getName).collect(Collectors.toSet());
    assertThat(names).contains("espalier.ranking.v1.RankingService/Rank");
  }

  /** A cold stage that is left out would have no span of a model. */
  private static Deployment withoutBudgets(Deployment deployment) {
    return new Deployment(
        deployment.repository(),
        deployment.data(),
        deployment.routes().stream().map(RouteText::withoutBudgets).toList());
  }

  /** Names of the spans above one, the nearest first. */
  private static List<String> ancestors(SpanData span, Map<String, SpanData> byId) {
    List<String> names = new ArrayList<>();
    for (SpanData above = byId.get(span.getParentSpanId());
        above != null;
        above = byId.get(above.getParentSpanId())) {
      names.add(above.getName());
    }
    return names;
  }
}
