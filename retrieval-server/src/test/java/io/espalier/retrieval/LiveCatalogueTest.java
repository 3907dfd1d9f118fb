package io.espalier.retrieval;

import static java.util.stream.Collectors.toMap;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.catalog.CatalogChange;
import io.espalier.catalog.CatalogComponent;
import io.espalier.catalog.CatalogState;
import io.espalier.catalog.LogPlace;
import io.espalier.catalog.LoggedChange;
import io.espalier.catalog.SnapshotSettings;
import io.espalier.catalog.SnapshotStore;
import io.espalier.catalog.v1.CatalogServiceGrpc;
import io.espalier.catalog.v1.CatalogServiceGrpc.CatalogServiceBlockingStub;
import io.espalier.catalog.v1.Filter;
import io.espalier.catalog.v1.Item;
import io.espalier.catalog.v1.ListSnapshotsRequest;
import io.espalier.catalog.v1.Range;
import io.espalier.catalog.v1.RollBackRequest;
import io.espalier.catalog.v1.SnapshotInfo;
import io.espalier.catalog.v1.UpdateRequest;
import io.espalier.catalog.v1.UpdateResponse;
import io.espalier.index.trie.SemanticIdTrie;
import io.espalier.inference.ModelException;
import io.espalier.inference.Tensor;
import io.espalier.retrieval.v1.Candidate;
import io.espalier.retrieval.v1.ExplainRequest;
import io.espalier.retrieval.v1.Fate;
import io.espalier.retrieval.v1.RetrievalServiceGrpc;
import io.espalier.retrieval.v1.RetrievalServiceGrpc.RetrievalServiceBlockingStub;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.retrieval.v1.RetrieveResponse;
import io.espalier.server.ClientChannels;
import io.espalier.server.EspalierServer;
import io.espalier.server.ServerConfig;
import io.espalier.stores.blobs.FolderBlobs;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.testing.CountingTelemetry;
import io.espalier.testing.FunctionRunner;
import io.espalier.testing.MemoryLog;
import io.espalier.testing.ServedStage;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;
import io.opentelemetry.api.OpenTelemetry;
import java.io.IOException;
import java.nio.LongBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A catalogue that changes while it is searched, through both services and a fake log. */
class LiveCatalogueTest {
  private final CountingTelemetry counting = new CountingTelemetry();
  private final OpenTelemetry telemetry = counting.telemetry();
  private static final int ITEMS = 300;
  private static final int LEVELS = 3;
  private static final int CODES = 8;
  // The folder's items; the bundle knows all.
  private static final int AT_FIRST = 200;
  private static final BundleId TIGER = BundleId.parse("tiger@1");
  private static final BundleId TRANSREC = BundleId.parse("transrec@1");
  private static final int TEXTS = 2000;
  private static final int KEPT = 4;
  private static final int CHANGES_A_SNAPSHOT = 40;
  // Items that the bundle was not trained on: their texts say their ids.
  private static final int STRANGERS = 40;
  private static final List<String> WORDS = List.of("coffee", "storage", "camera", "garden");
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  private final FunctionRunner runner = new FunctionRunner();
  private final MemoryLog log = new MemoryLog(AT_FIRST + 1);
  private final List<AutoCloseable> open = new ArrayList<>();
  private final Random random = new Random(7);
  // By offset, what the catalogue was: for each item's number its price and one, or none.
  private final Map<Long, byte[]> past = new ConcurrentHashMap<>();
  private final AtomicInteger rollBacks = new AtomicInteger();
  private final int[] codes = random.ints((long) ITEMS * LEVELS, 0, CODES).toArray();
  private BundleRepository repository;
  private DataFolder data;
  private ServedStage writer;
  private final List<RetrievalComponent> replicas = new ArrayList<>();
  private CatalogServiceBlockingStub catalogue;
  private RetrievalServiceBlockingStub retrieval;
  private CatalogComponent catalog;
  private Updates updates;
  @TempDir Path dir;

  @BeforeEach
  void start() throws IOException {
    models();
    transRec();
    repository = repository(dir);
    Path items = Files.createDirectories(dir.resolve("data"));
    Files.write(
        items.resolve("items.jsonl"),
        IntStream.range(0, AT_FIRST)
            .mapToObj(i -> "{\"id\": \"%s\", \"price\": %d}".formatted(id(i), i % 10))
            .toList());
    data = DataFolder.open(items);
    catalog =
        CatalogComponent.start(
            repository,
            List.of(TIGER, TRANSREC),
            log,
            runner,
            new CatalogComponent.Publishing(
                store("writer"),
                new SnapshotSettings(KEPT, CHANGES_A_SNAPSHOT, Duration.ofDays(1), 1),
                data.items()),
            OpenTelemetry.noop().getMeter("test"));
    open.add(catalog);
    writer = ServedStage.of("catalog", catalog.service());
    open.add(writer);
    retrieval = replica("replica");
    updates = new Updates(CatalogServiceGrpc.newStub(writer.channel()));
    catalogue = CatalogServiceGrpc.newBlockingStub(writer.channel());
  }

  private SnapshotStore store(String user) throws IOException {
    return new SnapshotStore(
        FolderBlobs.open(dir.resolve("snapshots")),
        dir.resolve(user),
        OpenTelemetry.noop().getMeter("test"));
  }

  /** One more server that follows the catalogue. */
  private RetrievalServiceBlockingStub replica(String name) throws IOException {
    RetrievalComponent component =
        RetrievalComponent.open(
            repository,
            List.of(TIGER, TRANSREC, BundleId.parse("popular@1")),
            data,
            runner,
            store(name),
            null,
            telemetry);
    open.add(component);
    replicas.add(component);
    component.follow(writer.channel());
    await().atMost(PATIENCE).until(component::hasCaughtUp);
    ServedStage stage = ServedStage.of(name, component.service());
    open.add(stage);
    return RetrievalServiceGrpc.newBlockingStub(stage.channel());
  }

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable closeable : open.reversed()) {
      closeable.close();
    }
  }

  /**
   * A writer changes the catalogue as fast as it can, and takes it back now and then, while another
   * asks; snapshots take each other's place all the while. What the catalogue was at an answer's
   * offset is told by what was acknowledged.
   */
  @Test
  void retrieve_underChurn_isTheCatalogueOfItsOffsetExactly() throws Exception {
    long wanted = Long.getLong("espalier.churn.items", 200_000);
    remember(
        AT_FIRST, IntStream.range(0, AT_FIRST).boxed().collect(toMap(n -> id(n), n -> n % 10)));
    AtomicBoolean stop = new AtomicBoolean();
    Thread churn = Thread.ofPlatform().start(() -> churn(stop));
    long known = AT_FIRST;
    long returned = 0;
    try {
      long end = System.nanoTime() + PATIENCE.toNanos();
      boolean swapped = false;
      while (returned < wanted || (!swapped && System.nanoTime() < end)) {
        swapped = replicas.getFirst().swaps() > 0 && known > AT_FIRST + 100;
        int low = random.nextInt(10);
        boolean filtered = random.nextBoolean();
        String source = List.of("tiger", "tiger", "popular", "transrec").get(random.nextInt(4));
        String excluded = id(random.nextInt(ITEMS));
        RetrieveRequest.Builder request =
            request(source).addExclude(excluded).setMinCatalogOffset(known);
        if (filtered) {
          request.setFilter(Filter.newBuilder().setRange(range("price", low, low + 2)));
        }
        RetrieveResponse response = retrieval.retrieve(request.build());

        assertThat(response.getCatalogOffset()).isGreaterThanOrEqualTo(known);
        known = response.getCatalogOffset();
        // An answer may be faster than the acknowledgement of what it knows.
        while (!past.containsKey(known)) {
          Thread.sleep(1);
        }
        List<String> legal =
            at(known).entrySet().stream()
                .filter(e -> !filtered || (e.getValue() >= low && e.getValue() <= low + 2))
                .map(Map.Entry::getKey)
                .filter(id -> !id.equals(excluded))
                .filter(id -> !source.equals("popular") || !id.startsWith("new-"))
                .toList();
        // Wide enough for everything: what comes back is every legal item, and nothing else.
        assertThat(response.getCandidatesList().stream().map(Candidate::getItemId))
            .as("%s at offset %d", source, known)
            .containsExactlyInAnyOrderElementsOf(legal);
        returned += legal.size();
        runner.forget();
      }
    } finally {
      stop.set(true);
      churn.join();
    }
    System.out.printf(
        "%d items returned over %d changes, %d of them returns, and %d swaps%n",
        returned, known - AT_FIRST, rollBacks.get(), replicas.getFirst().swaps());
    assertThat(replicas.getFirst().swaps()).isPositive();
    assertThat(known).isGreaterThan(AT_FIRST + 100);
  }

  /**
   * A second version comes to the replica and to the writer, in either order, and goes again, while
   * the catalogue changes and is taken back: both versions have every item of the offset that they
   * answer at, those among them that came before the second was there and that it was not trained
   * on.
   */
  @Test
  void retrieve_versionsThatComeAndGoUnderChurn_areTheCatalogueOfTheirOffset() throws Exception {
    BundleId second = BundleId.parse("tiger@2");
    RetrievalComponent replica = replicas.getFirst();
    remember(
        AT_FIRST, IntStream.range(0, AT_FIRST).boxed().collect(toMap(n -> id(n), n -> n % 10)));
    AtomicBoolean stop = new AtomicBoolean();
    Thread churn = Thread.ofPlatform().start(() -> churn(stop));
    try {
      for (int round = 0; round < Integer.getInteger("espalier.versions.rounds", 8); round++) {
        assertExact(1, 5);
        assertThatThrownBy(() -> retrieval.retrieve(ofVersion(2).build()))
            .hasMessageContaining("NOT_FOUND: bundle: tiger@2");
        if (round % 2 == 0) {
          replica.bundles().switchTo(second);
          catalog.bundles().switchTo(second);
        } else {
          catalog.bundles().switchTo(second);
          replica.bundles().switchTo(second);
        }
        // The first illegal item of a version that came later is a rise from this.
        assertThat(counting.counts("espalier.retrieval.illegal_items"))
            .isEqualTo(
                Map.of("[tiger@1]", 0L, "[tiger@2]", 0L, "[transrec@1]", 0L, "[popular@1]", 0L));
        for (int n = 0; n < 15; n++) {
          assertExact(1 + n % 2, 1);
        }
        replica.bundles().retire(second).get(60, TimeUnit.SECONDS);
        catalog.bundles().retire(second).get(60, TimeUnit.SECONDS);
      }
    } finally {
      stop.set(true);
      churn.join();
    }
    System.out.printf(
        "%d changes, %d returns, %d swaps%n",
        log.end() - AT_FIRST, rollBacks.get(), replica.swaps());
    assertThat(replica.swaps()).isPositive();
  }

  private static RetrieveRequest.Builder ofVersion(int version) {
    return request("tiger").setBundleVersion(version);
  }

  /** Everything that the log has now is known, and every legal item is found. */
  private void assertExact(int version, int times) throws InterruptedException {
    for (int n = 0; n < times; n++) {
      RetrieveResponse response =
          retrieval.retrieve(ofVersion(version).setMinCatalogOffset(log.end()).build());
      long offset = response.getCatalogOffset();
      // What was acknowledged after it tells that all before it was.
      while (past.keySet().stream().noneMatch(acknowledged -> acknowledged > offset)) {
        Thread.sleep(1);
      }
      assertThat(response.getCandidatesList().stream().map(Candidate::getItemId))
          .as("version %d at offset %d", version, offset)
          .containsExactlyInAnyOrderElementsOf(atOrBefore(offset).keySet());
    }
  }

  private void churn(AtomicBoolean stop) {
    Random changes = new Random(8);
    Map<String, Integer> prices = new HashMap<>(at(AT_FIRST));
    try {
      while (!stop.get()) {
        int number = changes.nextInt(ITEMS + STRANGERS);
        String id = named(number);
        if (changes.nextInt(100) == 0) {
          rollBack(changes, prices);
        } else if (changes.nextInt(3) == 0) {
          prices.remove(id);
          remember(updates.remove(id).getOffset(), prices);
        } else {
          int price = changes.nextInt(10);
          String title = number < ITEMS ? "" : WORDS.get(changes.nextInt(4)) + " " + number % 5;
          prices.put(id, price);
          Item item = item(id, price).toBuilder().setTitle(title).build();
          remember(updates.upsert(item).getOffset(), prices);
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void rollBack(Random changes, Map<String, Integer> prices) {
    List<SnapshotInfo> kept =
        catalogue.listSnapshots(ListSnapshotsRequest.getDefaultInstance()).getSnapshotsList();
    long to = kept.get(changes.nextInt(kept.size())).getOffset();
    long offset;
    try {
      offset =
          catalogue
              .rollBack(RollBackRequest.newBuilder().setSnapshotOffset(to).build())
              .getOffset();
    } catch (StatusRuntimeException e) {
      // It was dropped a moment ago, or lacks a version that came since.
      assertThat(e.getStatus().getCode())
          .isIn(Status.Code.NOT_FOUND, Status.Code.FAILED_PRECONDITION);
      return;
    }
    prices.clear();
    prices.putAll(atOrBefore(to));
    remember(offset, prices);
    rollBacks.incrementAndGet();
  }

  /** The catalogue at an offset at which an item may have been written anew, as it was. */
  private Map<String, Integer> atOrBefore(long offset) {
    return at(
        past.keySet().stream().filter(known -> known <= offset).max(Long::compare).orElseThrow());
  }

  private Map<String, Integer> at(long offset) {
    byte[] prices = Objects.requireNonNull(past.get(offset), () -> "offset " + offset);
    return IntStream.range(0, prices.length)
        .filter(number -> prices[number] > 0)
        .boxed()
        .collect(toMap(LiveCatalogueTest::named, number -> prices[number] - 1));
  }

  private void remember(long offset, Map<String, Integer> prices) {
    byte[] kept = new byte[ITEMS + STRANGERS];
    for (int number = 0; number < kept.length; number++) {
      Integer price = prices.get(named(number));
      kept[number] = (byte) (price == null ? 0 : price + 1);
    }
    past.put(offset, kept);
  }

  /** The id of an item by its number; the bundle was not trained on the last of them. */
  private static String named(int number) {
    return number < ITEMS ? id(number) : "new-" + number;
  }

  /** The log no longer reaches back to the folder's items: a new replica needs a snapshot. */
  @Test
  void retrieve_replicaStartedAfterTheLogWasDropped_isTheSame() throws Exception {
    long offset = 0;
    // Where snapshots are slow to write, many changes make few.
    for (int n = 0; n < 10 * CHANGES_A_SNAPSHOT || log.start() <= AT_FIRST + 1; n++) {
      int item = random.nextInt(ITEMS);
      offset =
          n % 3 == 0
              ? updates.remove(id(item)).getOffset()
              : updates.upsert(item(id(item), n % 10)).getOffset();
    }

    RetrievalServiceBlockingStub later = replica("later");

    RetrieveRequest request = request("tiger").setMinCatalogOffset(offset).build();
    assertThat(later.retrieve(request)).isEqualTo(retrieval.retrieve(request));
    assertThat(
            catalogue.listSnapshots(ListSnapshotsRequest.getDefaultInstance()).getSnapshotsCount())
        .isBetween(1, KEPT);
    RetrieveRequest texts = request("transrec").setMinCatalogOffset(offset).build();
    assertThat(found(later, texts)).containsExactlyInAnyOrderElementsOf(found(retrieval, texts));
  }

  private static List<String> found(RetrievalServiceBlockingStub server, RetrieveRequest request) {
    return server.retrieve(request).getCandidatesList().stream().map(Candidate::getItemId).toList();
  }

  /** A new item has no semantic id: it is found by its title alone, and by none once it is gone. */
  @Test
  void retrieve_upsertedTitle_isFoundByItAtOnceAndGoesWithItsItem() throws InterruptedException {
    Item newcomer = Item.newBuilder().setId("newcomer").setTitle("shampoo").build();
    RetrieveRequest.Builder request = request("transrec");

    long offset = updates.upsert(newcomer).getOffset();
    request.setMinCatalogOffset(offset);
    assertThat(found(retrieval, request.build())).contains("newcomer");
    assertThat(fate(request.build(), "newcomer")).isEqualTo(Fate.FATE_KEPT);

    offset = updates.remove("newcomer").getOffset();
    request.setMinCatalogOffset(offset);
    assertThat(found(retrieval, request.build())).hasSize(AT_FIRST).doesNotContain("newcomer");
    assertThat(fate(request.build(), "newcomer")).isEqualTo(Fate.FATE_UNKNOWN_ITEM);
  }

  @Test
  void rollBack_offsetWithoutASnapshot_isRefusedWithThoseThereAre() {
    assertThatThrownBy(
            () -> catalogue.rollBack(RollBackRequest.newBuilder().setSnapshotOffset(7).build()))
        .hasMessage("NOT_FOUND: snapshot_offset: 7 (expected: one of [200])");
  }

  @Test
  void update_badChanges_areRefusedOneByOneAndTheStreamGoesOn() throws InterruptedException {
    assertThat(updates.upsert(Item.newBuilder().setId("x").setPrice(-1).build()).getError())
        .isEqualTo("price: -1.0 (expected: finite and >= 0)");
    assertThat(updates.remove("").getError())
        .isEqualTo("remove: \"\" (expected: 1 to 256 characters without tab or line break)");
    assertThat(updates.send(UpdateRequest.getDefaultInstance()).getError())
        .isEqualTo("change: not set (expected: upsert or remove)");

    UpdateResponse sound = updates.upsert(item(id(250), 3));

    assertThat(sound.getError()).isEmpty();
    assertThat(sound.getOffset()).isEqualTo(AT_FIRST + 1);
    assertThat(sound.getSemanticIds(0).getCodesList())
        .containsExactly(codes[750], codes[751], codes[752]);
  }

  @Test
  void update_logFails_nothingChangesAndLaterItWorks() throws InterruptedException {
    log.fail(true);
    assertThatThrownBy(() -> updates.remove(id(1)))
        .isInstanceOfSatisfying(
            StatusRuntimeException.class,
            e -> assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.UNAVAILABLE));
    log.fail(false);
    updates.again();

    long offset = updates.remove(id(2)).getOffset();

    assertThat(offset).isEqualTo(AT_FIRST + 1);
    assertThat(found(offset)).contains(id(1)).doesNotContain(id(2));
  }

  @Test
  void update_logTakenOver_isRefusedFromThenOnAndTheServerIsNotReady() {
    EspalierServer server =
        catalog
            .install(EspalierServer.builder("catalog", ServerConfig.defaults()))
            .buildInProcess("taken-over");
    open.add(server);
    assertThat(server.unready()).isEmpty();
    log.take();

    for (int i = 0; i < 3; i++) {
      assertThatThrownBy(() -> updates.remove(id(1)))
          .isInstanceOfSatisfying(
              StatusRuntimeException.class,
              e -> {
                assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.FAILED_PRECONDITION);
                assertThat(e.getStatus().getDescription())
                    .isEqualTo("another writer has this catalogue");
              });
      updates.again();
    }
    assertThat(server.unready()).containsExactly("the right to write the catalogue");
  }

  @Test
  void rollBack_logTakenOver_isAFailedPrecondition() throws Exception {
    EspalierServer server =
        catalog
            .install(EspalierServer.builder("catalog", ServerConfig.defaults()))
            .buildInProcess("taken-over-return")
            .start();
    open.add(server);
    ManagedChannel channel = ClientChannels.open(server.target());
    open.add(channel::shutdownNow);
    CatalogServiceBlockingStub stub = CatalogServiceGrpc.newBlockingStub(channel);
    log.take();

    assertThatThrownBy(
            () -> stub.rollBack(RollBackRequest.newBuilder().setSnapshotOffset(AT_FIRST).build()))
        .hasMessage("FAILED_PRECONDITION: another writer has this catalogue");
  }

  @Test
  void retrieve_offsetTheLogHasNot_isRefusedWithWhatThereIs() {
    assertThatThrownBy(
            () ->
                retrieval
                    .withDeadlineAfter(200, TimeUnit.MILLISECONDS)
                    .retrieve(request("tiger").setMinCatalogOffset(AT_FIRST + 5).build()))
        .hasMessage("FAILED_PRECONDITION: min_catalog_offset: 205 (expected: at most 200 by now)");
  }

  @Test
  void explain_removedAndUncodedItems_saysWhy() throws InterruptedException {
    updates.remove(id(3));
    long offset = updates.upsert(Item.newBuilder().setId("stranger").build()).getOffset();
    RetrieveRequest request = request("tiger").setMinCatalogOffset(offset).build();

    assertThat(fate(request, id(3))).isEqualTo(Fate.FATE_UNKNOWN_ITEM);
    assertThat(fate(request, "stranger")).isEqualTo(Fate.FATE_NOT_INDEXED);
    assertThat(fate(request, id(4))).isEqualTo(Fate.FATE_KEPT);
  }

  @Test
  void update_itemsThatTheBundleDoesNotKnow_areFoundUntilRemovedOrSaidToHaveNoId()
      throws InterruptedException {
    UpdateResponse first = updates.upsert(item("new-1", 1).toBuilder().setTitle("coffee").build());
    UpdateResponse second = updates.upsert(item("new-2", 1).toBuilder().setTitle("coffee").build());
    UpdateResponse silent = updates.upsert(item("new-3", 1));
    assertThat(found(second.getOffset())).contains("new-1", "new-2");
    UpdateResponse removed = updates.remove("new-1");

    assertThat(first.getSemanticIds(0).getCodesList()).hasSize(LEVELS);
    assertThat(second.getSemanticIds(0)).isNotEqualTo(first.getSemanticIds(0));
    assertThat(silent.getSemanticIdsList()).isEmpty();
    assertThat(silent.getWithoutId(0).getReason())
        .isEqualTo("the item has no text (expected: title, brand or category)");
    assertThat(found(removed.getOffset())).contains("new-2").doesNotContain("new-1", "new-3");
  }

  @Test
  void update_modelIsOut_changesThatNeedItAreRefusedAndOthersGoThrough()
      throws InterruptedException {
    runner.failing("assign", ModelException.Reason.NOT_READY);

    assertThatThrownBy(() -> updates.upsert(item("new-1", 1).toBuilder().setTitle("tea").build()))
        .hasMessage(
            "UNAVAILABLE: tiger@1: its model, which gives items their ids, cannot be run at"
                + " present");
    assertThat(log.end()).isEqualTo(AT_FIRST);
    updates.again();

    assertThat(found(updates.remove(id(2)).getOffset())).doesNotContain(id(2));
  }

  @Test
  void update_modelFailsOnAText_theItemAloneIsRefused() throws InterruptedException {
    runner.failing("assign", ModelException.Reason.FAILED);

    assertThat(updates.upsert(item("new-1", 1).toBuilder().setTitle("tea").build()).getError())
        .isEqualTo(
            "tiger@1: its model fails on the item's text (expected: title, brand and category that"
                + " it can read)");

    assertThat(updates.remove(id(2)).getOffset()).isEqualTo(AT_FIRST + 1);
  }

  private List<String> found(long offset) {
    return retrieval
        .retrieve(request("tiger").setMinCatalogOffset(offset).build())
        .getCandidatesList()
        .stream()
        .map(Candidate::getItemId)
        .toList();
  }

  @Test
  void retrieve_historyOfARemovedItem_isStillUnderstood() throws InterruptedException {
    long offset = updates.remove(id(0)).getOffset();

    RetrieveResponse response =
        retrieval.retrieve(request("tiger").setMinCatalogOffset(offset).build());

    assertThat(response.getHistoryUsed()).isEqualTo(1);
  }

  /** A view that was begun before a restart must not come between its texts and its own view. */
  @Test
  void restart_viewBegunBefore_comesToNothing() throws IOException {
    SnapshotStore store = store("by-hand");
    CatalogState published = store.newest(0, Long.MAX_VALUE, Set.of()).orElseThrow().state();
    Deque<Runnable> held = new ArrayDeque<>();
    AtomicBoolean restarting = new AtomicBoolean();
    Catalogue replica =
        new Catalogue(
            new CatalogState(0, published.items(), Map.of()),
            store,
            task -> {
              if (restarting.get()) {
                task.run();
              } else {
                held.add(task);
              }
            });
    replica.changed(
        List.of(new LoggedChange(published.offset(), new CatalogChange.Removal(id(0)))));
    replica.published(published.offset());
    assertThat(held).hasSize(1);
    CatalogueView before = replica.view();
    List<CatalogueView> meanwhile = new ArrayList<>();
    replica.add(
        (view, filters) -> {
          if (restarting.get() && !held.isEmpty()) {
            // The restart's texts are known and its view is not there yet.
            held.remove().run();
            meanwhile.add(replica.view());
          }
        });

    restarting.set(true);
    assertThat(replica.restart(0)).map(LogPlace::offset).contains(published.offset());

    assertThat(meanwhile).hasSize(1);
    assertThat(meanwhile.getFirst()).isSameAs(before);
    assertThat(replica.swaps()).isEqualTo(1);
    assertThat(replica.view().items().indexOf(id(0))).isZero();
  }

  /** The log may have given ids between a return and a snapshot that was made without them. */
  @Test
  void restart_snapshotWithoutTheIdsOfABundleThatJoined_isPassedOver() throws Exception {
    BundleId second = BundleId.parse("tiger@2");
    long returned =
        catalogue
            .rollBack(RollBackRequest.newBuilder().setSnapshotOffset(AT_FIRST).build())
            .getOffset();
    for (int n = 0; n < CHANGES_A_SNAPSHOT; n++) {
      updates.upsert(item(id(n), 5));
    }
    SnapshotStore store = store("by-hand");
    await()
        .atMost(PATIENCE)
        .until(() -> store.newest(returned + 1, Long.MAX_VALUE, Set.of()).isPresent());
    Catalogue replica = new Catalogue(CatalogState.of(data.items()), store, Runnable::run);
    replica.started();
    int[] own = Arrays.copyOf(codes, AT_FIRST * LEVELS);
    replica.join(
        () -> {
          replica.add(second, OwnTrie.of(() -> SemanticIdTrie.build(LEVELS, own)));
          return second;
        });

    assertThat(replica.restart(returned)).map(LogPlace::offset).contains(returned);

    catalog.bundles().switchTo(second);
    long complete =
        store.newest(returned + 1, Long.MAX_VALUE, Set.of(second)).orElseThrow().offset();
    assertThat(replica.restart(returned)).map(LogPlace::offset).contains(complete);
  }

  /** A rollback brings a title back that was changed meanwhile. */
  @Test
  void rollBack_changedTitle_isTheOldOneAgain() throws InterruptedException {
    updates.upsert(Item.newBuilder().setId("newcomer").setTitle("shampoo").build());
    for (int n = 0; n < CHANGES_A_SNAPSHOT; n++) {
      updates.upsert(item(id(n), 5));
    }
    await()
        .atMost(PATIENCE)
        .until(
            () ->
                catalogue
                        .listSnapshots(ListSnapshotsRequest.getDefaultInstance())
                        .getSnapshotsCount()
                    > 1);
    long to =
        catalogue
            .listSnapshots(ListSnapshotsRequest.getDefaultInstance())
            .getSnapshotsList()
            .stream()
            .mapToLong(SnapshotInfo::getOffset)
            .max()
            .orElseThrow();
    RetrieveRequest.Builder request = request("transrec");
    assertThat(found(retrieval, request.setMinCatalogOffset(to).build())).contains("newcomer");
    long changed = updates.upsert(Item.newBuilder().setId("newcomer").build()).getOffset();
    assertThat(found(retrieval, request.setMinCatalogOffset(changed).build()))
        .doesNotContain("newcomer");

    long back =
        catalogue.rollBack(RollBackRequest.newBuilder().setSnapshotOffset(to).build()).getOffset();

    assertThat(found(retrieval, request.setMinCatalogOffset(back).build())).contains("newcomer");
  }

  private Fate fate(RetrieveRequest request, String item) {
    return retrieval
        .explain(ExplainRequest.newBuilder().setRequest(request).setItemId(item).build())
        .getFate();
  }

  private static RetrieveRequest.Builder request(String source) {
    return RetrieveRequest.newBuilder()
        .setBundle(source)
        .setBundleVersion(1)
        .setK(1000)
        .setBeamWidth(source.equals("popular") ? 0 : 512)
        .addHistory(id(0));
  }

  private static Range range(String attribute, double min, double max) {
    return Range.newBuilder().setAttribute(attribute).setMin(min).setMax(max).build();
  }

  private static Item item(String id, int price) {
    return Item.newBuilder().setId(id).setPrice(price).build();
  }

  private static String id(int item) {
    return "item-%03d".formatted(item);
  }

  private void models() {
    runner.model("assign", LiveCatalogueTest::assign);
    float[] even = new float[CODES];
    runner.model(
        "prefill",
        inputs ->
            Map.of(
                "log_probs", Tensor.ofFloats(even, 1, CODES),
                "state_kept", Tensor.ofLongs(new long[1], 1, 1)));
    for (int step = 1; step < LEVELS; step++) {
      boolean last = step == LEVELS - 1;
      runner.model(
          "step" + step,
          inputs -> {
            LongBuffer code = inputs.getOrDefault("code", Tensor.ofLongs(new long[0], 0)).longs();
            int beams = code.remaining();
            Map<String, Tensor> outputs = new HashMap<>();
            outputs.put("log_probs", Tensor.ofFloats(new float[beams * CODES], 1, beams, CODES));
            if (!last) {
              outputs.put("beam_new", Tensor.ofFloats(new float[beams], 1, beams, 1, 1));
            }
            return outputs;
          });
    }
  }

  /** A text's vector: the sum of its tokens, from 0 to 15. */
  private static Map<String, Tensor> assign(Map<String, Tensor> inputs) {
    Tensor ids = inputs.getOrDefault("input_ids", Tensor.ofLongs(new long[0], 0, 0));
    LongBuffer tokens = ids.longs();
    float[] sums = new float[ids.dim(0)];
    for (int i = 0; tokens.hasRemaining(); i++) {
      sums[i / ids.dim(1)] += tokens.get() % 16;
    }
    return Map.of("vector", Tensor.ofFloats(sums, sums.length, 1));
  }

  private static byte[] codebooks() {
    float[][] rows = new float[LEVELS * CODES][1];
    for (int row = 0; row < rows.length; row++) {
      rows[row][0] = row % CODES;
    }
    return TestRepository.npy(rows);
  }

  /** Every n-gram is as likely as any. */
  private void transRec() {
    int tokens = 5 + LEVELS * CODES + TEXTS;
    runner.model("user", inputs -> Map.of("user", Tensor.ofFloats(new float[2], 1, 2)));
    runner.model(
        "write",
        inputs -> {
          int rows =
              inputs.getOrDefault("token", Tensor.ofLongs(new long[0], 0)).longs().remaining();
          return Map.of(
              "log_probs", Tensor.ofFloats(new float[rows * tokens], 1, rows, tokens),
              "next_state", Tensor.ofFloats(new float[rows], 1, rows, 1));
        });
  }

  private static byte[] coded(int[] codes) {
    return TestRepository.lines(
        IntStream.range(0, ITEMS)
            .mapToObj(
                i ->
                    "%s\t%d %d %d"
                        .formatted(id(i), codes[3 * i], codes[3 * i + 1], codes[3 * i + 2]))
            .toList());
  }

  private static void tiger(TestRepository repository, byte[] coded, List<String> ids)
      throws IOException {
    repository.add(
        "tiger",
        "TIGER",
        "generate",
        "{history: 2, history_sizes: [2], levels: 3, codes: 8, cache_width: 1, beam: 4,"
            + " assign: {max_tokens: 16, unknown: 1}}",
        Map.of("prefill", "prefill", "step1", "step1", "step2", "step2", "assign", "assign"),
        Map.of(
            "items",
            TestRepository.lines(ids),
            "semantic_ids",
            coded,
            "codebooks",
            codebooks(),
            "last_codes",
            TestRepository.lines(List.of("0 0\t7 6", "1 0\t")),
            "assign_tokenizer",
            Files.readAllBytes(
                Path.of(System.getProperty("espalier.root", ".."))
                    .resolve("model-repo/bundles/shop-tiger/1/assign_tokenizer.json"))));
  }

  private BundleRepository repository(Path dir) throws IOException {
    TestRepository repository = new TestRepository(dir.resolve("repository"));
    List<String> ids = IntStream.range(0, ITEMS).mapToObj(LiveCatalogueTest::id).toList();
    byte[] coded = coded(codes);
    tiger(repository, coded, ids);
    tiger(
        repository.version(2),
        coded(new Random(9).ints((long) ITEMS * LEVELS, 0, CODES).toArray()),
        ids);
    repository.version(1);
    repository.add(
        "transrec",
        "TransRec",
        "generate",
        "{history: 2, width: 2, state: 1, levels: 3, codes: 8, texts: 2000, gamma: 2, beta: 0.8,"
            + " bias_id: 0, bias_attribute: 0, bias_title: 0, rows: 1500, scored: 1500}",
        Map.of("prefill", "user", "step", "write"),
        Map.of(
            "items",
            TestRepository.lines(ids),
            "semantic_ids",
            coded,
            "tokenizer",
            Files.readAllBytes(
                Path.of(
                    System.getProperty("espalier.root", ".."),
                    "model-repo/bundles/shop-transrec/1/tokenizer.json"))));
    repository.add(
        "popular",
        "Popularity",
        "encode",
        "{}",
        Map.of(),
        Map.of("popularity", TestRepository.lines(ids.stream().map(i -> i + "\t5\t1").toList())));
    return repository.open();
  }

  /** A stream of updates, one at a time. */
  private static final class Updates implements StreamObserver<UpdateResponse> {
    private final CatalogServiceGrpc.CatalogServiceStub stub;
    private final BlockingQueue<Object> answers = new LinkedBlockingQueue<>();
    private StreamObserver<UpdateRequest> requests;

    Updates(CatalogServiceGrpc.CatalogServiceStub stub) {
      this.stub = stub;
      this.requests = stub.update(this);
    }

    void again() {
      requests = stub.update(this);
    }

    UpdateResponse upsert(Item item) throws InterruptedException {
      return send(UpdateRequest.newBuilder().setUpsert(item).build());
    }

    UpdateResponse remove(String id) throws InterruptedException {
      return send(UpdateRequest.newBuilder().setRemove(id).build());
    }

    UpdateResponse send(UpdateRequest request) throws InterruptedException {
      requests.onNext(request);
      Object answer = answers.poll(PATIENCE.toSeconds(), TimeUnit.SECONDS);
      if (answer instanceof StatusRuntimeException refusal) {
        throw refusal;
      }
      return (UpdateResponse) answer;
    }

    @Override
    public void onNext(UpdateResponse response) {
      answers.add(response);
    }

    @Override
    public void onError(Throwable failure) {
      answers.add(failure);
    }

    @Override
    public void onCompleted() {}
  }
}
