package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.espalier.bundles.BundleRepository;
import io.espalier.events.v1.Event;
import io.espalier.router.v1.Degradation;
import io.espalier.router.v1.DegradationReason;
import io.espalier.router.v1.EraseUserRequest;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RecordEventsRequest;
import io.espalier.router.v1.ResultItem;
import io.espalier.router.v1.ResultPage;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.RouterServiceGrpc.RouterServiceBlockingStub;
import io.espalier.router.v1.User;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.stores.redis.RedisServer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The built-in shop's feed over users' state on a real server, which stands still, dies and
 * returns.
 */
class UserStateOutageIT {
  private static final Path ROOT = Path.of(System.getProperty("espalier.root"));
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  @TempDir Path folder;
  private RedisServer server;
  private Cluster cluster;
  private RouterServiceBlockingStub router;
  private String user;

  @BeforeEach
  void start() throws Exception {
    DataFolder data = DataFolder.open(BuiltInShop.folder(ROOT));
    Deployment deployment = Deployment.of(BundleRepository.open(ROOT.resolve("model-repo")), data);
    user = data.sequences().getFirst().user();
    server = RedisServer.start(folder);
    cluster =
        Cluster.inProcess(
            new StageServers(deployment, folder.resolve("none")),
            UserStates.open(server.address().toString(), data));
    router = RouterServiceGrpc.newBlockingStub(cluster.router());
  }

  @AfterEach
  void stop() {
    if (cluster != null) {
      cluster.close();
    }
    if (server != null) {
      server.close();
    }
  }

  @Test
  void recommend_storeStandsStillDiesAndReturns_isAlwaysAnsweredAndFlagged() throws Exception {
    awaitWhole();
    String first = itemIds(recommend()).getFirst();
    router.recordEvents(
        RecordEventsRequest.newBuilder()
            .setUserId(user)
            .addEvents(Event.newBuilder().setEventId("1").setItemId(first))
            .build());
    assertThat(itemIds(recommend())).isNotEmpty().doesNotContain(first);

    server.freeze();
    assertThat(reasonsOfMany(100)).contains(DegradationReason.DEGRADATION_REASON_LATE);
    server.thaw();
    awaitWhole();
    server.kill();
    assertThat(reasonsOfMany(100)).contains(DegradationReason.DEGRADATION_REASON_FAILED);
    server.start();
    awaitWhole();
    assertThat(itemIds(recommend())).doesNotContain(first);

    router.eraseUser(EraseUserRequest.newBuilder().setUserId(user).build());
    assertThat(itemIds(recommend())).isEqualTo(itemIds(recommendTo("nobody")));
    // The mark that keeps the data folder from bringing him back, and the list by which other
    // routers hear of it.
    assertThat(server.say("DBSIZE")).isEqualTo(":2");
  }

  private void awaitWhole() {
    await().atMost(PATIENCE).until(() -> recommend().getDegradationsList().isEmpty());
  }

  private ResultPage recommend() {
    return recommendTo(user);
  }

  private ResultPage recommendTo(String id) {
    return router
        .withDeadlineAfter(5, TimeUnit.SECONDS)
        .recommend(RecommendRequest.newBuilder().setUser(User.newBuilder().setId(id)).build())
        .getPage();
  }

  private static List<String> itemIds(ResultPage page) {
    return page.getItemsList().stream().map(ResultItem::getItemId).toList();
  }

  /** Why the user's state was left out of each of many answers, none of which fails or is empty. */
  private List<DegradationReason> reasonsOfMany(int requests) throws Exception {
    List<Future<ResultPage>> pages = new ArrayList<>();
    try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
      for (int i = 0; i < requests; i++) {
        pages.add(threads.submit(this::recommend));
      }
    }
    List<DegradationReason> reasons = new ArrayList<>();
    for (Future<ResultPage> page : pages) {
      assertThat(page.get().getItemsList()).isNotEmpty();
      List<DegradationReason> ofUser =
          page.get().getDegradationsList().stream()
              .filter(degradation -> degradation.getStage().equals("user-state"))
              .map(Degradation::getReason)
              .toList();
      assertThat(ofUser).hasSize(1);
      reasons.addAll(ofUser);
    }
    return reasons;
  }
}
