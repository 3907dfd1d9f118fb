package io.espalier.rewrite;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleManifest.Shape;
import io.espalier.bundles.BundleRepository;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import io.espalier.rewrite.v1.RewriteRequest;
import io.espalier.rewrite.v1.RewriteResponse;
import io.espalier.rewrite.v1.RewriteServiceGrpc;
import io.espalier.rewrite.v1.RewriteServiceGrpc.RewriteServiceBlockingStub;
import io.espalier.rewrite.v1.RewrittenQuery;
import io.espalier.server.ClientChannels;
import io.espalier.server.EspalierServer;
import io.espalier.server.ServerConfig;
import io.grpc.ManagedChannel;
import io.opentelemetry.api.OpenTelemetry;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.Test;

/** Every committed rewrite bundle verifies, warms up on the embedded engine, and answers. */
class CommittedRewritersTest {
  private static final List<String> QUERIES =
      List.of("red lamp", "wireles hedphones", "the quick brown fox", "ÄÖÜ 😀", "x");
  private static final Duration PATIENT = Duration.ofMinutes(2);

  @Test
  void rewrite_committedBundles_neverReturnTheQueryNorOneTextTwice() throws IOException {
    BundleRepository repository =
        BundleRepository.open(Path.of(System.getProperty("espalier.root"), "model-repo"));
    List<Bundle> bundles =
        repository.list().stream()
            .map(repository::get)
            .filter(bundle -> bundle.manifest().shape() == Shape.REWRITE)
            .toList();
    assertThat(bundles).isNotEmpty();
    RewriteSettings settings =
        new RewriteSettings(
            Optional.empty(), PATIENT, Duration.ZERO, PATIENT, 8, 100, PATIENT, PATIENT);
    try (EmbeddedModelRunner runner = new EmbeddedModelRunner(repository.models())) {
      bundles.forEach(bundle -> bundle.manifest().models().values().forEach(runner::load));
      try (RewriteComponent component =
              RewriteComponent.start(
                  repository,
                  bundles.stream().map(Bundle::id).toList(),
                  runner,
                  settings,
                  OpenTelemetry.noop());
          EspalierServer server =
              EspalierServer.builder("rewrite", ServerConfig.defaults())
                  .service(component.service())
                  .buildInProcess(UUID.randomUUID().toString())
                  .start()) {
        assertThat(component.isReady()).isTrue();
        ManagedChannel channel = ClientChannels.open(server.target());
        RewriteServiceBlockingStub stub = RewriteServiceGrpc.newBlockingStub(channel);
        for (Bundle bundle : bundles) {
          for (String query : QUERIES) {
            check(bundle.id(), query, stub);
          }
        }
        channel.shutdownNow();
      }
    }
  }

  private static void check(BundleId id, String query, RewriteServiceBlockingStub stub) {
    RewriteResponse response =
        stub.rewrite(
            RewriteRequest.newBuilder()
                .setBundle(id.name())
                .setBundleVersion(id.version())
                .setQuery(query)
                .setMaxRewrites(16)
                .build());
    List<String> texts = response.getRewritesList().stream().map(RewrittenQuery::getText).toList();
    System.out.printf("%s: %s -> %s%n", id, query, texts);
    assertThat(response.getModelLate()).isFalse();
    assertThat(texts)
        .doesNotHaveDuplicates()
        .doesNotContain(query, response.getNormalisedQuery(), "");
  }
}
