package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.google.common.util.concurrent.ListenableFuture;
import io.espalier.bundles.BundleRepository;
import io.espalier.catalog.CatalogChange;
import io.espalier.catalog.CatalogClient;
import io.espalier.catalog.SnapshotSettings;
import io.espalier.inference.oip.v2.GRPCInferenceServiceGrpc;
import io.espalier.inference.oip.v2.ModelStatisticsRequest;
import io.espalier.retrieval.v1.RetrievalServiceGrpc;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.retrieval.v1.RetrieveResponse;
import io.espalier.router.v1.ListOptions;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RecommendResponse;
import io.espalier.router.v1.ResultItem;
import io.espalier.router.v1.ResultPage;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.User;
import io.espalier.server.ClientChannels;
import io.espalier.stores.blobs.FolderBlobs;
import io.espalier.stores.catalog.CatalogItem;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.stores.catalog.LoggedQuery;
import io.espalier.stores.users.EmbeddedUserStates;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.metrics.SdkMeterProvider;
import io.opentelemetry.sdk.metrics.data.LongPointData;
import io.opentelemetry.sdk.testing.exporter.InMemoryMetricReader;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A cluster whose models run on two servers elsewhere gives the answers of one whose engine is
 * embedded, also while its catalogue changes, and loses no request when a server is killed and
 * starts again.
 */
abstract class ElsewhereContract {
  private static final int CASES = 10;
  private static final int PAGE = 30;
  private static final double TOLERANCE = 1e-4;
  private static final int HANGING_UP = 400;
  private static final int WAITING = 20;
  private static final int MOST_ROUNDS = 50;
  private static final Duration PATIENCE = Duration.ofMinutes(3);
  static final Path ROOT = Path.of(System.getProperty("espalier.root"));

  /** A server of models as a process that can be killed. */
  interface ModelServer extends AutoCloseable {
    String target();

    void kill() throws Exception;

    /** Starts it again where it was, with no model loaded by request. */
    void startAgain() throws Exception;

    @Override
    void close() throws Exception;
  }

  @TempDir private Path directory;
  private final List<AutoCloseable> open = new ArrayList<>();
  private DataFolder data;
  private Deployment deployment;
  private ModelServer one;
  private ModelServer two;

  /** A server of a folder of models, none of which is loaded. */
  abstract ModelServer start(Path models) throws Exception;

  @BeforeEach
  void startServers() throws Exception {
    data = DataFolder.open(BuiltInShop.folder(ROOT));
    BundleRepository repository = BundleRepository.open(ROOT.resolve("model-repo"));
    Deployment budgeted = Deployment.of(repository, data);
    deployment =
        new Deployment(
            repository, data, budgeted.routes().stream().map(RouteText::withoutBudgets).toList());
    one = start(repository.models());
    open.add(one);
    two = start(repository.models());
    open.add(two);
  }

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable closeable : open.reversed()) {
      closeable.close();
    }
  }

  @Test
  void answers_modelsElsewhere_areThoseOfTheEmbeddedEngine() throws Exception {
    Cluster embedded = inProcess(servers());
    Cluster elsewhere = inProcess(elsewhere());
    for (String user : users()) {
      assertSame("feed of " + user, feed(embedded, user), feed(elsewhere, user));
      RetrieveResponse found = retrieve(elsewhere, user, 0);
      assertThat(found.getFused()).as(user).isTrue();
    }
    for (String query : queries()) {
      assertSame("search " + query, search(embedded, query), search(elsewhere, query));
    }
  }

  @Test
  void answers_oneServerKilledAndBackUnderLoad_noneFails() throws Exception {
    Cluster elsewhere = inProcess(elsewhere());
    List<String> users = users();
    users.forEach(user -> feed(elsewhere, user));
    AtomicInteger answers = new AtomicInteger();
    AtomicInteger failures = new AtomicInteger();
    AtomicBoolean stopped = new AtomicBoolean();
    List<Thread> clients = new ArrayList<>();
    for (int client = 0; client < 4; client++) {
      int from = client;
      clients.add(
          Thread.ofVirtual()
              .start(
                  () -> {
                    for (int i = from; !stopped.get(); i++) {
                      try {
                        ResultPage page = feed(elsewhere, users.get(i % users.size()));
                        answers.incrementAndGet();
                        if (page.getDegradationsCount() > 0) {
                          System.out.println("degraded: " + page.getDegradationsList());
                          failures.incrementAndGet();
                        }
                      } catch (StatusRuntimeException e) {
                        System.out.println("failed: " + e.getStatus());
                        failures.incrementAndGet();
                      }
                    }
                  }));
    }
    try {
      awaitMore(answers, 20);
      for (ModelServer server : List.of(one, two)) {
        server.kill();
        awaitMore(answers, 60);
        long start = System.nanoTime();
        server.startAgain();
        // As many as there are at the other, the snapshot's among them.
        await().atMost(PATIENCE).until(() -> ready(one).equals(ready(two)));
        System.out.printf(
            "all models were back %.1f s after the server's start%n",
            (System.nanoTime() - start) / 1e9);
        awaitMore(answers, 60);
      }
    } finally {
      stopped.set(true);
      for (Thread client : clients) {
        client.join();
      }
    }
    System.out.printf("%d answers, %d failed or degraded%n", answers.get(), failures.get());
    assertThat(failures).hasValue(0);
  }

  private static void awaitMore(AtomicInteger answers, int more) {
    int from = answers.get();
    await().atMost(PATIENCE).until(() -> answers.get() >= from + more);
  }

  @Test
  void answers_catalogueChanges_followThroughSnapshotsWithModelsOfTheirOwn() throws Exception {
    Cluster cluster =
        Cluster.listening(
            elsewhere()
                .withSnapshots(
                    new SnapshotFolders(
                        FolderBlobs.open(directory.resolve("store")),
                        directory.resolve("cache"),
                        new SnapshotSettings(2, 40, Duration.ofMinutes(10), 1))),
            this::states,
            new Cluster.Listening(
                Stage.ROUTER.config().on("127.0.0.1", 0),
                Stage.CATALOG.config().on("127.0.0.1", 0),
                directory.resolve("log").toString()));
    open.add(cluster);
    String user = users().getFirst();
    RetrieveResponse before = retrieve(cluster, user, 0);
    assertThat(before.getFused()).isTrue();
    Set<String> first = fused(one);
    assertThat(first).isNotEmpty().isEqualTo(fused(two));

    List<String> removed = ids(before).subList(0, 3);
    List<CatalogChange> changes = new ArrayList<>();
    removed.forEach(id -> changes.add(new CatalogChange.Removal(id)));
    List<CatalogItem> items = data.items();
    for (int i = 0; changes.size() < 45; i++) {
      if (!removed.contains(items.get(i).id())) {
        changes.add(new CatalogChange.Upsert(items.get(i), Map.of()));
      }
    }
    ManagedChannel channel = ClientChannels.open(cluster.catalogTarget());
    open.add(channel::shutdownNow);
    long offset = new CatalogClient(channel).send(changes).lastOffset();

    RetrieveResponse after = retrieve(cluster, user, offset);
    assertThat(after.getFused()).isTrue();
    assertThat(ids(after)).doesNotContainAnyElementsOf(removed);
    // The next snapshot's model takes the place of the first one's, which goes a little later.
    await().atMost(PATIENCE).until(() -> !fused(one).equals(first) && fused(one).size() > 1);
    await().atMost(PATIENCE).until(() -> fused(one).size() == 1 && fused(two).size() == 1);
    assertThat(fused(one)).isEqualTo(fused(two)).doesNotContainAnyElementsOf(first);
    RetrieveResponse later = retrieve(cluster, user, offset);
    assertThat(later.getFused()).isTrue();
    assertThat(ids(later)).isEqualTo(ids(after));
  }

  @Test
  void recommend_callersHangUp_theirCallsLeaveTheModelsQueues() throws Exception {
    assertHangUps("embedded", servers());
    assertHangUps("elsewhere", elsewhere());
  }

  private void assertHangUps(String engine, StageServers servers) throws Exception {
    InMemoryMetricReader metrics = InMemoryMetricReader.create();
    OpenTelemetrySdk telemetry =
        OpenTelemetrySdk.builder()
            .setMeterProvider(SdkMeterProvider.builder().registerMetricReader(metrics).build())
            .build();
    open.add(telemetry);
    Cluster cluster = inProcess(servers.withTelemetry(telemetry));
    users().forEach(user -> feed(cluster, user));
    List<String> freed = new ArrayList<>();
    // What waits when the callers decide to go may be answered before they have gone.
    for (int round = 0;
        round < MOST_ROUNDS && sum(metrics, "espalier.inference.cancellations") < WAITING;
        round++) {
      freed.add("%.1f".formatted(hangUp(cluster, metrics) / 1e6));
    }
    System.out.printf(
        "%s: the queues were free of %d callers who hung up after %s ms%n",
        engine, HANGING_UP, freed);
    assertThat(sum(metrics, "espalier.inference.cancellations")).isGreaterThanOrEqualTo(WAITING);
    assertThat(sum(metrics, "espalier.inference.refusals")).isZero();
  }

  /** Callers ask at once and hang up when their calls wait; how long these still did, in ns. */
  private long hangUp(Cluster cluster, InMemoryMetricReader metrics) {
    List<String> users = users();
    ManagedChannel caller = ClientChannels.open(cluster.target());
    open.add(caller::shutdownNow);
    List<ListenableFuture<RecommendResponse>> calls = new ArrayList<>();
    for (int i = 0; i < HANGING_UP; i++) {
      calls.add(
          RouterServiceGrpc.newFutureStub(caller)
              .withDeadlineAfter(10, TimeUnit.MINUTES)
              .recommend(
                  RecommendRequest.newBuilder()
                      .setUser(User.newBuilder().setId(users.get(i % users.size())))
                      .build()));
    }
    await()
        .pollInterval(Duration.ofMillis(1))
        .atMost(PATIENCE)
        .until(
            () ->
                sum(metrics, "espalier.inference.queue.depth") >= WAITING
                    || calls.stream().allMatch(ListenableFuture::isDone));

    long start = System.nanoTime();
    caller.shutdownNow();

    await()
        .pollInterval(Duration.ofMillis(1))
        .atMost(PATIENCE)
        .until(() -> sum(metrics, "espalier.inference.queue.depth") == 0);
    long free = System.nanoTime() - start;
    await().atMost(PATIENCE).until(() -> calls.stream().allMatch(ListenableFuture::isDone));
    return free;
  }

  private static long sum(InMemoryMetricReader metrics, String name) {
    return metrics.collectAllMetrics().stream()
        .filter(metric -> metric.getName().equals(name))
        .flatMap(metric -> metric.getData().getPoints().stream())
        .mapToLong(point -> ((LongPointData) point).getValue())
        .sum();
  }

  private StageServers servers() {
    return new StageServers(deployment, directory.resolve("none"))
        .withRewriteModelBudget(Duration.ofSeconds(60));
  }

  private StageServers elsewhere() {
    return servers().withEngine(EngineSettings.defaults().at(List.of(one.target(), two.target())));
  }

  private Cluster inProcess(StageServers servers) {
    Cluster cluster = Cluster.inProcess(servers, states());
    open.add(cluster);
    return cluster;
  }

  private EmbeddedUserStates states() {
    EmbeddedUserStates users = EmbeddedUserStates.inMemory(100);
    users.load(data, 0);
    return users;
  }

  private List<String> users() {
    return data.sequences().stream().limit(CASES).map(sequence -> sequence.user()).toList();
  }

  private List<String> queries() {
    return data.queries().stream()
        .filter(query -> query.split() == LoggedQuery.Split.TEST)
        .map(LoggedQuery::query)
        .distinct()
        .limit(CASES)
        .toList();
  }

  private static ResultPage feed(Cluster cluster, String user) {
    return RouterServiceGrpc.newBlockingStub(cluster.router())
        .withDeadlineAfter(60, TimeUnit.SECONDS)
        .recommend(
            RecommendRequest.newBuilder()
                .setUser(User.newBuilder().setId(user))
                .setOptions(ListOptions.newBuilder().setPageSize(PAGE))
                .build())
        .getPage();
  }

  private static ResultPage search(Cluster cluster, String query) {
    return RouterServiceGrpc.newBlockingStub(cluster.router())
        .withDeadlineAfter(60, TimeUnit.SECONDS)
        .search(
            SearchRequest.newBuilder()
                .setQuery(query)
                .setOptions(ListOptions.newBuilder().setPageSize(PAGE))
                .build())
        .getPage();
  }

  private RetrieveResponse retrieve(Cluster cluster, String user, long minOffset) {
    Channel channel = cluster.stages().retrieval();
    return RetrievalServiceGrpc.newBlockingStub(channel)
        .withDeadlineAfter(60, TimeUnit.SECONDS)
        .retrieve(
            RetrieveRequest.newBuilder()
                .setBundle("shop-tiger")
                .setBundleVersion(1)
                .setK(20)
                .setMinCatalogOffset(minOffset)
                .addAllHistory(
                    data.sequences().stream()
                        .filter(sequence -> sequence.user().equals(user))
                        .flatMap(sequence -> Arrays.stream(sequence.items()).boxed())
                        .map(number -> data.item(number).id())
                        .toList())
                .build());
  }

  private static List<String> ids(RetrieveResponse response) {
    return response.getCandidatesList().stream().map(found -> found.getItemId()).toList();
  }

  /**
   * The models that a server has ready; those of its statistics, since Triton's index lists what is
   * in its repository and nothing that a request brought.
   */
  private static Set<String> ready(ModelServer server) {
    ManagedChannel channel = ClientChannels.open(server.target());
    try {
      return GRPCInferenceServiceGrpc.newBlockingStub(channel)
          .withDeadlineAfter(10, TimeUnit.SECONDS)
          .modelStatistics(ModelStatisticsRequest.getDefaultInstance())
          .getModelStatsList()
          .stream()
          .map(model -> model.getName())
          .collect(Collectors.toSet());
    } catch (StatusRuntimeException e) {
      // It starts.
      return Set.of(server.target());
    } finally {
      channel.shutdownNow();
    }
  }

  private static Set<String> fused(ModelServer server) {
    return ready(server).stream()
        .filter(name -> name.contains("-fused-live-"))
        .collect(Collectors.toSet());
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
}
