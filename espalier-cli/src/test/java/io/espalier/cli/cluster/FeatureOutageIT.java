package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.ranking.BundleFeatures;
import io.espalier.ranking.v1.RankCandidate;
import io.espalier.ranking.v1.RankRequest;
import io.espalier.ranking.v1.RankResponse;
import io.espalier.ranking.v1.RankingServiceGrpc;
import io.espalier.server.ClientChannels;
import io.espalier.server.EspalierServer;
import io.espalier.server.ServerConfig;
import io.espalier.stores.catalog.CatalogItem;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.stores.catalog.UserSequence;
import io.espalier.stores.redis.RedisFeatureTables;
import io.espalier.stores.redis.RedisServer;
import io.grpc.ManagedChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The shop's rankers over features on a real server, which stands still and comes back. */
class FeatureOutageIT {
  private static final Path ROOT = Path.of(System.getProperty("espalier.root"));
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  @TempDir Path folder;
  private final List<AutoCloseable> open = new ArrayList<>();
  private Deployment deployment;
  private RedisServer server;

  @BeforeEach
  void start() throws Exception {
    DataFolder data = DataFolder.open(BuiltInShop.folder(ROOT));
    deployment = Deployment.of(BundleRepository.open(ROOT.resolve("model-repo")), data);
    server = RedisServer.start(folder, "--appendonly", "no");
    open.add(server);
  }

  @AfterEach
  void stop() throws Exception {
    for (AutoCloseable one : open.reversed()) {
      one.close();
    }
  }

  private RankingServiceGrpc.RankingServiceBlockingStub serve(FeatureSettings settings)
      throws Exception {
    EspalierServer ranking =
        new StageServers(deployment, folder.resolve("none"))
            .withFeatures(settings)
            .ranking(ServerConfig.defaults())
            .buildInProcess(UUID.randomUUID().toString())
            .start();
    open.add(ranking);
    ManagedChannel channel = ClientChannels.open(ranking.target());
    open.add(channel::shutdownNow);
    return RankingServiceGrpc.newBlockingStub(channel);
  }

  private int load(RedisFeatureTables tables) {
    int loaded = 0;
    BundleRepository repository = deployment.repository();
    for (BundleId id : repository.list()) {
      Bundle bundle = repository.get(id);
      if (List.of("E4SRec", "HeterRec", "DenseText").contains(bundle.system())) {
        try {
          loaded += tables.load(id.toString(), BundleFeatures.read(repository, id)) ? 1 : 0;
        } catch (BundleException e) {
          throw new AssertionError(id.toString(), e);
        }
      }
    }
    return loaded;
  }

  private RankRequest request(BundleId ranker, int user) {
    List<CatalogItem> items = deployment.data().items();
    UserSequence sequence = deployment.data().sequences().get(user);
    RankRequest.Builder request =
        RankRequest.newBuilder()
            .setBundle(ranker.name())
            .setBundleVersion(ranker.version())
            .setQuery("desk lamp");
    for (int i = 0; i < sequence.length(); i++) {
      request.addHistory(items.get(sequence.item(i)).id());
    }
    for (int i = 0; i < 300; i++) {
      request.addCandidates(
          RankCandidate.newBuilder().setItemId(items.get((user * 300 + i) % items.size()).id()));
    }
    return request.addCandidates(RankCandidate.newBuilder().setItemId("unknown")).build();
  }

  private static RankResponse rank(
      RankingServiceGrpc.RankingServiceBlockingStub stub, RankRequest request) {
    return stub.withDeadlineAfter(60, TimeUnit.SECONDS).rank(request);
  }

  @Test
  void rank_featuresOnAServer_areThoseOfTheBundleAndAnOutageIsFlagged() throws Exception {
    String where = server.address().toString();
    try (RedisFeatureTables tables = FeatureSettings.tables("test", where)) {
      assertThat(load(tables)).isPositive();
      assertThat(load(tables)).isZero();
    }
    var embedded = serve(FeatureSettings.defaults());
    var remote = serve(new FeatureSettings(where, Duration.ofSeconds(30), 64));
    var hurried = serve(new FeatureSettings(where, Duration.ofMillis(10), 64));
    for (BundleId ranker : deployment.rankers()) {
      for (int user = 0; user < 3; user++) {
        RankRequest request = request(ranker, user);
        RankResponse expected = rank(embedded, request);
        assertThat(rank(remote, request)).as("%s", ranker).isEqualTo(expected);
        // From what is near.
        assertThat(rank(remote, request)).as("%s", ranker).isEqualTo(expected);
      }
    }
    server.freeze();
    try {
      for (BundleId ranker : deployment.rankers()) {
        RankResponse late = rank(hurried, request(ranker, 4));
        assertThat(late.getFeaturesLate()).as("%s", ranker).isTrue();
        assertThat(late.getCandidatesCount()).isEqualTo(301);
      }
    } finally {
      server.thaw();
    }
    for (BundleId ranker : deployment.rankers()) {
      RankRequest request = request(ranker, 4);
      RankResponse expected = rank(embedded, request);
      await()
          .atMost(PATIENCE)
          .untilAsserted(() -> assertThat(rank(hurried, request)).isEqualTo(expected));
    }
  }
}
