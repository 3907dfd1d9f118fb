package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.espalier.bundles.BundleRepository;
import io.espalier.cli.events.EventJoin;
import io.espalier.cli.events.LoggedEvents;
import io.espalier.cli.events.TrainingRow;
import io.espalier.events.v1.Event;
import io.espalier.events.v1.EventKind;
import io.espalier.events.v1.Impression;
import io.espalier.events.v1.ServedFeature;
import io.espalier.events.v1.ShownItem;
import io.espalier.events.v1.ShownSource;
import io.espalier.ranking.v1.RankCandidate;
import io.espalier.ranking.v1.RankRequest;
import io.espalier.ranking.v1.RankResponse;
import io.espalier.ranking.v1.RankingServiceGrpc;
import io.espalier.ranking.v1.ScorePart;
import io.espalier.ranking.v1.SourceScore;
import io.espalier.router.v1.EraseUserRequest;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RecordEventsRequest;
import io.espalier.router.v1.ResultItem;
import io.espalier.router.v1.ResultPage;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.RouterServiceGrpc.RouterServiceBlockingStub;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.User;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.stores.redis.RedisServer;
import io.espalier.stores.users.UserKeys;
import io.grpc.Channel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The built-in shop over users' state on a real server and an event log: what is logged is what was
 * served, and what the ranker says when it is asked again by what was logged.
 */
class EventLogIT {
  private static final Path ROOT = Path.of(System.getProperty("espalier.root"));
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  @TempDir Path folder;
  private RedisServer server;
  private Cluster cluster;
  private RouterServiceBlockingStub router;
  private DataFolder data;
  private String state;
  private String log;

  @BeforeEach
  void start() throws Exception {
    data = DataFolder.open(BuiltInShop.folder(ROOT));
    server = RedisServer.start(folder);
    state = server.address().toString();
    log = folder.resolve("events").toString();
    cluster =
        Cluster.inProcess(
            new StageServers(
                    Deployment.of(BundleRepository.open(ROOT.resolve("model-repo")), data),
                    folder.resolve("none"))
                .withEvents(EventSettings.at(log)),
            UserStates.open(state, data));
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

  private RouterServiceBlockingStub asked() {
    return router.withDeadlineAfter(30, TimeUnit.SECONDS);
  }

  private ResultPage feed(String user) {
    return asked()
        .recommend(RecommendRequest.newBuilder().setUser(User.newBuilder().setId(user)).build())
        .getPage();
  }

  private List<TrainingRow> rows() {
    List<TrainingRow> rows = new ArrayList<>();
    try (UserKeys keys = UserStates.keys(state)) {
      new EventJoin(Duration.ofHours(1)).run(new LoggedEvents(List.of(log), keys), rows::add);
    }
    return rows;
  }

  private List<TrainingRow> awaitRows(int count) {
    await().atMost(PATIENCE).until(() -> Files.exists(Path.of(log)) && rows().size() >= count);
    return rows();
  }

  @Test
  void export_pagesAndClicks_areServedEqualsLoggedAndGoWithTheirUser() throws Exception {
    String leaves = data.sequences().get(0).user();
    String stays = data.sequences().get(1).user();
    Map<String, ResultPage> pages = new LinkedHashMap<>();
    for (String user : List.of(leaves, stays)) {
      ResultPage page = feed(user);
      pages.put(page.getRequestId(), page);
      asked()
          .recordEvents(
              RecordEventsRequest.newBuilder()
                  .setUserId(user)
                  .setRequestId(page.getRequestId())
                  .addEvents(
                      Event.newBuilder()
                          .setEventId("click-" + user)
                          .setItemId(page.getItems(2).getItemId())
                          .setKind(EventKind.EVENT_KIND_CLICK))
                  .build());
    }
    String query = data.judgments().getFirst().query();
    ResultPage found = asked().search(SearchRequest.newBuilder().setQuery(query).build()).getPage();
    pages.put(found.getRequestId(), found);
    int shown = pages.values().stream().mapToInt(ResultPage::getItemsCount).sum();
    // The clicks come after the pages in the log.
    await().atMost(PATIENCE).until(() -> Files.exists(Path.of(log)) && clicked(rows()).size() == 2);
    List<TrainingRow> rows = awaitRows(shown);

    assertThat(rows).hasSize(shown);
    for (TrainingRow row : rows) {
      ResultPage page = Objects.requireNonNull(pages.get(row.page().getRequestId()));
      ResultItem item = page.getItems(row.item().getPosition());
      assertThat(row.item().getItemId()).isEqualTo(item.getItemId());
      assertThat(row.item().getScore()).isEqualTo(item.getScore());
      assertThat(row.item().getPropensity()).isEqualTo(1);
    }
    assertThat(clicked(rows)).containsExactlyInAnyOrder(leaves + " 2", stays + " 2");
    int ranked = 0;
    for (Impression page : rows.stream().map(TrainingRow::page).distinct().toList()) {
      ranked += assertRankedAgain(page, cluster.stages().ranking());
    }
    assertThat(ranked).isEqualTo(shown);

    asked().eraseUser(EraseUserRequest.newBuilder().setUserId(leaves).build());
    assertThat(rows())
        .extracting(row -> row.page().getUserId())
        .isNotEmpty()
        .doesNotContain(leaves)
        .contains(stays, "");
    assertThat(filesThatSay(leaves)).isEmpty();
    // He is let back in as somebody new.
    assertThat(feed(leaves).getItemsList()).isNotEmpty();
    await()
        .atMost(PATIENCE)
        .untilAsserted(
            () ->
                assertThat(rows())
                    .filteredOn(row -> row.page().getUserId().equals(leaves))
                    .isNotEmpty()
                    .allMatch(row -> row.page().getHistoryCount() == 0));
  }

  private static List<String> clicked(List<TrainingRow> rows) {
    return rows.stream()
        .filter(row -> row.outcomes().containsKey(EventKind.EVENT_KIND_CLICK))
        .map(row -> row.page().getUserId() + " " + row.item().getPosition())
        .toList();
  }

  /** Asks the ranker what was logged that it was asked; it says what was logged that it said. */
  private static int assertRankedAgain(Impression page, Channel channel) {
    String[] ranker = page.getRanker().split("@", -1);
    RankRequest.Builder request =
        RankRequest.newBuilder()
            .setBundle(ranker[0])
            .setBundleVersion(Integer.parseInt(ranker[1]))
            .addAllHistory(page.getHistoryList())
            .addAllRewrites(page.getRewritesList())
            .setQuery(page.getQuery());
    for (ShownItem item : page.getItemsList()) {
      RankCandidate.Builder candidate = RankCandidate.newBuilder().setItemId(item.getItemId());
      Map<String, ShownSource> byRewrite = new LinkedHashMap<>();
      for (ShownSource source : item.getSourcesList()) {
        if (source.getRewrite().isEmpty()) {
          candidate.addSourceScores(score(source));
        } else {
          byRewrite.merge(source.getSource(), source, (a, b) -> b.getRank() < a.getRank() ? b : a);
        }
      }
      byRewrite.values().forEach(source -> candidate.addSourceScores(score(source)));
      request.addCandidates(candidate);
    }
    RankResponse answer =
        RankingServiceGrpc.newBlockingStub(channel)
            .withDeadlineAfter(30, TimeUnit.SECONDS)
            .rank(request.build());
    for (int i = 0; i < page.getItemsCount(); i++) {
      List<ServedFeature> logged = page.getItems(i).getFeaturesList();
      List<ScorePart> said = answer.getCandidates(i).getPartsList();
      assertThat(logged).hasSizeGreaterThan(said.size());
      for (int f = 0; f < said.size(); f++) {
        assertThat(logged.get(f).getName()).isEqualTo(said.get(f).getName());
        assertThat(logged.get(f).getIsDefault()).isEqualTo(said.get(f).getIsDefault());
        assertThat(logged.get(f).getValue()).isEqualTo(said.get(f).getValue());
      }
      assertThat(logged.get(said.size()).getValue()).isEqualTo(answer.getCandidates(i).getScore());
    }
    return page.getItemsCount();
  }

  private static SourceScore score(ShownSource source) {
    return SourceScore.newBuilder()
        .setSource(source.getSource())
        .setScore(source.getScore())
        .setBestScore(source.getBestScore())
        .setByRewrite(!source.getRewrite().isEmpty())
        .build();
  }

  /** Files of the log that have a text in them. */
  private List<Path> filesThatSay(String text) throws IOException {
    try (Stream<Path> files = Files.walk(Path.of(log))) {
      return files
          .filter(Files::isRegularFile)
          .filter(
              file -> {
                try {
                  return Files.readString(file, StandardCharsets.ISO_8859_1).contains(text);
                } catch (IOException e) {
                  throw new UncheckedIOException(e);
                }
              })
          .toList();
    }
  }

  @Test
  void recommend_keysAreAway_isAnsweredAndLoggedLater() throws Exception {
    String user = data.sequences().get(0).user();
    int items = feed(user).getItemsCount();
    awaitRows(items);
    server.freeze();
    Optional<ResultPage> last = Optional.empty();
    for (int i = 0; i < 10; i++) {
      last = Optional.of(feed("user-" + i));
      assertThat(last.get().getItemsList()).isNotEmpty();
    }
    server.thaw();
    String id = last.orElseThrow().getRequestId();
    await()
        .atMost(PATIENCE)
        .ignoreExceptions()
        .untilAsserted(
            () -> assertThat(rows()).anyMatch(row -> row.page().getRequestId().equals(id)));
  }
}
