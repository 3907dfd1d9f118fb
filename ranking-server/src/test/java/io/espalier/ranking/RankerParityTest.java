package io.espalier.ranking;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.bundles.ItemOrder;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import io.espalier.ranking.v1.RankCandidate;
import io.espalier.ranking.v1.RankRequest;
import io.espalier.ranking.v1.RankResponse;
import io.espalier.ranking.v1.RankedCandidate;
import io.espalier.ranking.v1.RankingServiceGrpc;
import io.espalier.ranking.v1.RankingServiceGrpc.RankingServiceBlockingStub;
import io.espalier.server.ClientChannels;
import io.espalier.server.EspalierServer;
import io.espalier.server.ServerConfig;
import io.espalier.testing.ParityFixture;
import io.grpc.ManagedChannel;
import io.opentelemetry.api.OpenTelemetry;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What the server answers is what the offline model said: every committed scorer's parity fixture
 * is served through gRPC and the embedded engine, to 1e-4.
 */
class RankerParityTest {
  private static final double TOLERANCE = 1e-4;
  private static final Path REPOSITORY = Path.of(System.getProperty("espalier.root"), "model-repo");

  static Stream<BundleId> scorers() {
    BundleRepository repository = BundleRepository.open(REPOSITORY);
    return repository.list().stream()
        .filter(
            id -> {
              Bundle bundle = repository.get(id);
              return ScorerLoader.loads(bundle.system()) && bundle.hasFile("parity");
            });
  }

  @ParameterizedTest
  @MethodSource("scorers")
  void rank_parityFixture_hasTheOfflineScores(BundleId id) throws Exception {
    BundleRepository repository = BundleRepository.open(REPOSITORY);
    Bundle bundle = repository.get(id);
    ItemOrder items = bundle.readItems();
    int users = 0;
    double worst = 0;
    try (EmbeddedModelRunner runner = new EmbeddedModelRunner(repository.models())) {
      runner.load(bundle.model("user"));
      try (RankingComponent component =
              RankingComponent.start(
                  repository,
                  List.of(id),
                  runner,
                  new RankingSettings(
                      Duration.ofMinutes(2), Duration.ofMillis(1), Duration.ofMinutes(2)),
                  OpenTelemetry.noop());
          EspalierServer server =
              EspalierServer.builder("parity", ServerConfig.defaults())
                  .service(component.service())
                  .buildInProcess(UUID.randomUUID().toString())
                  .start()) {
        ManagedChannel channel = ClientChannels.open(server.target());
        RankingServiceBlockingStub stub = RankingServiceGrpc.newBlockingStub(channel);
        for (JsonNode fixture : ParityFixture.read(bundle.file("parity"))) {
          worst = Math.max(worst, worst(stub, id, items, fixture));
          users++;
        }
        channel.shutdownNow();
      }
    }
    System.out.printf("%s: %d users, largest difference %.2e%n", id, users, worst);
    assertThat(users).isPositive();
    assertThat(worst).isLessThanOrEqualTo(TOLERANCE);
  }

  /** Fusions and search rankers have no fixture: they verify, load what they name, and warm up. */
  @Test
  void start_committedRankers_serve() {
    BundleRepository repository = BundleRepository.open(REPOSITORY);
    List<BundleId> rankers =
        repository.list().stream()
            .filter(
                id -> {
                  String system = repository.get(id).system();
                  return system.equals("Fusion") || system.equals("SearchRanker");
                })
            .toList();
    assertThat(rankers).isNotEmpty();
    try (EmbeddedModelRunner runner = new EmbeddedModelRunner(repository.models())) {
      runner.loadAll();
      try (RankingComponent component =
          RankingComponent.start(
              repository,
              rankers,
              runner,
              new RankingSettings(
                  Duration.ofMinutes(2), Duration.ofMillis(1), Duration.ofMinutes(2)),
              OpenTelemetry.noop())) {
        assertThat(component.bundles().serving()).containsExactlyInAnyOrderElementsOf(rankers);
        assertThat(component.isReady()).isTrue();
      }
    }
  }

  /** The largest difference of one fixture's scores, asked for in calls of at most 500. */
  private static double worst(
      RankingServiceBlockingStub stub, BundleId id, ItemOrder items, JsonNode fixture) {
    JsonNode candidates = fixture.path(fixture.has("candidates") ? "candidates" : "items");
    RankRequest.Builder request =
        RankRequest.newBuilder().setBundle(id.name()).setBundleVersion(id.version());
    fixture.path("history").forEach(item -> request.addHistory(items.id(item.intValue())));
    List<Double> expected = new ArrayList<>();
    double worst = 0;
    for (int i = 0; i < candidates.size(); i++) {
      request.addCandidates(
          RankCandidate.newBuilder().setItemId(items.id(candidates.path(i).intValue())));
      expected.add(fixture.path("scores").path(i).doubleValue());
      if (expected.size() == 500 || i == candidates.size() - 1) {
        RankResponse response = stub.rank(request.build());
        for (int c = 0; c < expected.size(); c++) {
          RankedCandidate candidate = response.getCandidates(c);
          assertThat(candidate.getParts(0).getIsDefault()).isFalse();
          worst = Math.max(worst, Math.abs(candidate.getScore() - expected.get(c)));
        }
        request.clearCandidates();
        expected.clear();
      }
    }
    return worst;
  }
}
