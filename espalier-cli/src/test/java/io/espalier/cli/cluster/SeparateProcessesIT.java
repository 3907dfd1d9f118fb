package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.bundles.BundleRepository;
import io.espalier.router.v1.Degradation;
import io.espalier.router.v1.ListOptions;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.ResultItem;
import io.espalier.router.v1.ResultPage;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.RouterServiceGrpc.RouterServiceBlockingStub;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.User;
import io.espalier.server.ClientChannels;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.stores.catalog.LoggedQuery;
import io.grpc.ManagedChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer.OrderAnnotation;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code up} in one process and four {@code serve} processes give the same answers, and an answer
 * survives the death of the rewrite and of the ranking process. The tests build on each other:
 * processes that were killed stay dead.
 */
@TestMethodOrder(OrderAnnotation.class)
class SeparateProcessesIT {
  private static final int CASES = 15;
  private static final int PAGE = 30;
  private static final double TOLERANCE = 1e-4;

  private static final Path ROOT = Path.of(System.getProperty("espalier.root"));
  private static final Map<String, ServerProcess> processes = new LinkedHashMap<>();
  private static final List<ManagedChannel> channels = new ArrayList<>();
  @TempDir private static Path directory = Path.of("");
  private static RouterServiceBlockingStub together;
  private static RouterServiceBlockingStub apart;
  private static List<String> queries;
  private static List<String> users;

  @BeforeAll
  static void startBoth() throws Exception {
    Path data = BuiltInShop.folder(ROOT);
    DataFolder folder = DataFolder.open(data);
    Deployment deployment =
        Deployment.of(BundleRepository.open(ROOT.resolve("model-repo")), folder);
    boolean feed = deployment.routes().stream().anyMatch(route -> route.kind().equals("feed"));
    // A shop without feed bundles is compared in its searches alone.
    users =
        folder.sequences().stream()
            .limit(feed ? CASES : 0)
            .map(sequence -> sequence.user())
            .toList();
    queries =
        folder.queries().stream()
            .filter(query -> query.split() == LoggedQuery.Split.TEST)
            .map(LoggedQuery::query)
            .distinct()
            .limit(CASES)
            .toList();
    List<String> common =
        List.of(
            "--port",
            "0",
            "--data",
            data.toString(),
            "--model-repo",
            BuiltInShop.patientRepository(ROOT, directory).toString());
    for (String stage : List.of("rewrite", "retrieval", "ranking")) {
      List<String> arguments =
          new ArrayList<>(List.of("serve", stage, "--set", "rewrite_model_budget=60s"));
      arguments.addAll(common);
      start(stage, arguments);
    }
    List<String> up = new ArrayList<>(List.of("up", "--rewrite-model-budget", "60s"));
    up.addAll(common);
    start("up", up);
    List<String> router = new ArrayList<>(List.of("serve", "router"));
    router.addAll(common);
    for (String stage : List.of("rewrite", "retrieval", "ranking")) {
      router.addAll(List.of("--peer", stage + "=" + process(stage).target()));
    }
    start("router", router);
    together = stub(process("up").target());
    apart = stub(process("router").target());
  }

  private static void start(String name, List<String> arguments) throws Exception {
    processes.put(name, ServerProcess.start(ROOT, arguments));
  }

  private static ServerProcess process(String name) {
    return Objects.requireNonNull(processes.get(name), name);
  }

  private static RouterServiceBlockingStub stub(String target) {
    ManagedChannel channel = ClientChannels.open(target);
    channels.add(channel);
    return RouterServiceGrpc.newBlockingStub(channel);
  }

  @AfterAll
  static void stopAll() throws Exception {
    for (ManagedChannel channel : channels) {
      channel.shutdownNow();
    }
    for (ServerProcess process : processes.values()) {
      process.close();
    }
  }

  private static ResultPage feed(RouterServiceBlockingStub router, String user) {
    return router
        .withDeadlineAfter(60, TimeUnit.SECONDS)
        .recommend(
            RecommendRequest.newBuilder()
                .setUser(User.newBuilder().setId(user))
                .setOptions(ListOptions.newBuilder().setPageSize(PAGE))
                .build())
        .getPage();
  }

  private static ResultPage search(RouterServiceBlockingStub router, String query) {
    return router
        .withDeadlineAfter(60, TimeUnit.SECONDS)
        .search(
            SearchRequest.newBuilder()
                .setQuery(query)
                .setOptions(ListOptions.newBuilder().setPageSize(PAGE))
                .build())
        .getPage();
  }

  @Test
  @Order(1)
  void feed_oneProcessAndFour_giveTheSameAnswers() {
    for (String user : users) {
      assertSame("feed of " + user, feed(together, user), feed(apart, user));
    }
  }

  @Test
  @Order(2)
  void search_oneProcessAndFour_giveTheSameAnswers() {
    for (String query : queries) {
      assertSame("search " + query, search(together, query), search(apart, query));
    }
  }

  /**
   * Same items in the same order with the same scores; neighbours closer than twice the tolerance
   * may be swapped.
   */
  private static void assertSame(String request, ResultPage one, ResultPage other) {
    assertThat(one.getDegradationsList()).as(request).isEmpty();
    assertThat(other.getDegradationsList()).as(request).isEmpty();
    assertThat(other.getItemsCount()).as(request).isEqualTo(one.getItemsCount()).isPositive();
    int from = 0;
    for (int i = 0; i < one.getItemsCount(); i++) {
      double score = one.getItems(i).getScore();
      assertThat(Math.abs(other.getItems(i).getScore() - score))
          .as(request)
          .isLessThanOrEqualTo(TOLERANCE);
      // What ties with the page's last item may have fallen off it on either side: such a tail is
      // not compared.
      boolean distinct =
          i + 1 < one.getItemsCount() && score - one.getItems(i + 1).getScore() > 2 * TOLERANCE;
      if (distinct) {
        assertThat(ids(other, from, i + 1)).as(request).isEqualTo(ids(one, from, i + 1));
        from = i + 1;
      }
    }
  }

  private static Set<String> ids(ResultPage page, int from, int to) {
    Set<String> ids = new HashSet<>();
    for (ResultItem item : page.getItemsList().subList(from, to)) {
      ids.add(item.getItemId());
    }
    return ids;
  }

  @Test
  @Order(3)
  void search_rewriteKilled_isDegradedAndFlagged() throws Exception {
    process("rewrite").kill();
    for (String query : queries) {
      ResultPage page = search(apart, query);
      assertThat(page.getItemsCount()).as(query).isPositive();
      assertThat(page.getDegradationsList())
          .as(query)
          .extracting(Degradation::getStage)
          .anyMatch(s -> s.startsWith("rewrite"));
    }
  }

  @Test
  @Order(4)
  void bothCalls_rankingKilled_areDegradedAndFlagged() throws Exception {
    process("ranking").kill();
    List<ResultPage> pages = new ArrayList<>();
    users.forEach(user -> pages.add(feed(apart, user)));
    queries.forEach(query -> pages.add(search(apart, query)));
    for (ResultPage page : pages) {
      assertThat(page.getItemsCount()).isPositive();
      assertThat(page.getDegradationsList()).extracting(Degradation::getStage).contains("ranking");
    }
  }
}
