package io.espalier.catalog;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.espalier.catalog.v1.CatalogServiceGrpc;
import io.espalier.catalog.v1.FollowRequest;
import io.espalier.index.filter.AttributeValue;
import io.espalier.index.filter.ItemFilter;
import io.espalier.server.ClientChannels;
import io.espalier.server.EspalierServer;
import io.espalier.server.ServerConfig;
import io.espalier.stores.blobs.FolderBlobs;
import io.espalier.stores.catalog.CatalogItem;
import io.espalier.stores.log.FileLog;
import io.espalier.stores.log.LogException;
import io.espalier.stores.log.RecordLog;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.opentelemetry.api.OpenTelemetry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A writer whose log of files loses changes that it had acknowledged, and gives offsets anew. */
class LostTailTest {
  private static final int AT_FIRST = 5;
  private static final int IDS = 12;
  private static final int PRICES = 6;
  private static final long BEHIND = 1000;
  // Calls that follow never end by themselves.
  private static final ServerConfig CONFIG = ServerConfig.of(Map.of("drain_timeout", "0s"));
  private static final Duration PATIENCE = Duration.ofMinutes(1);

  private final String name = UUID.randomUUID().toString();
  private final List<CatalogItem> items = new ArrayList<>();
  // By offset, what the catalogue was: prices by id.
  private final NavigableMap<Long, Map<String, Integer>> past = new TreeMap<>();
  private final AtomicInteger users = new AtomicInteger();
  private ManagedChannel channel;
  private @Nullable Running running;
  private Random random;
  @TempDir Path dir;

  /** A writer with what it needs. */
  private record Running(
      RecordLog log, SnapshotPublisher snapshots, CatalogWriter writer, EspalierServer server) {
    void close() {
      server.close();
      writer.close();
      snapshots.close();
      log.close();
    }
  }

  /** One that follows, from snapshots where there are any. */
  private static final class Replica implements CatalogFollower.Listener {
    final @Nullable SnapshotStore store;
    volatile CatalogState state;
    final List<Long> changed = new CopyOnWriteArrayList<>();

    Replica(CatalogState first, @Nullable SnapshotStore store) {
      this.state = first;
      this.store = store;
    }

    @Override
    public void changed(List<LoggedChange> changes) {
      state = state.after(changes);
      changes.forEach(change -> changed.add(change.offset()));
    }

    @Override
    public void published(long offset) {}

    @Override
    public Optional<LogPlace> restart(long least) {
      try {
        Optional<Snapshot> snapshot =
            store == null ? Optional.empty() : store.newest(least, Long.MAX_VALUE, Set.of());
        snapshot.ifPresent(found -> state = found.state());
        return snapshot.map(Snapshot::place);
      } catch (IOException e) {
        throw new IllegalStateException(e);
      }
    }

    Map<String, Integer> prices() {
      CatalogState now = state;
      Map<String, Integer> prices = new HashMap<>();
      for (int price = 0; price < PRICES; price++) {
        int found = price;
        now.items()
            .matching(new ItemFilter.Equals("price", AttributeValue.of(price)))
            .forEach((int index) -> prices.put(now.items().id(index), found));
      }
      return prices;
    }
  }

  @BeforeEach
  void begin() throws IOException {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    random = new Random(seed);
    Map<String, Integer> first = new HashMap<>();
    for (int n = 0; n < AT_FIRST; n++) {
      items.add(item("item-" + n, n));
      first.put("item-" + n, n);
    }
    past.put((long) AT_FIRST, first);
    channel = ClientChannels.open("in-process:" + name);
    running = start();
  }

  @AfterEach
  void close() {
    channel.shutdownNow();
    if (running != null) {
      running.close();
    }
  }

  private Running start() throws IOException {
    RecordLog log = FileLog.open(dir.resolve("log"), AT_FIRST + 1);
    SnapshotSettings settings =
        new SnapshotSettings(2, Integer.MAX_VALUE - 100, Duration.ofDays(1), 1);
    SnapshotPublisher snapshots;
    try {
      snapshots = SnapshotPublisher.start(log, store(), settings, items, Map.of());
    } catch (LogException e) {
      log.close();
      throw e;
    }
    CatalogWriter writer = CatalogWriter.start(log, Map.of(), () -> Optional.of(snapshots.last()));
    EspalierServer server =
        EspalierServer.builder("catalog", CONFIG)
            .service(new CatalogService(writer, log, snapshots))
            .buildInProcess(name)
            .start();
    return new Running(log, snapshots, writer, server);
  }

  private Running running() {
    return Objects.requireNonNull(running);
  }

  private SnapshotStore store() throws IOException {
    return new SnapshotStore(
        FolderBlobs.open(dir.resolve("store")),
        dir.resolve("cache-" + users.incrementAndGet()),
        OpenTelemetry.noop().getMeter("test"));
  }

  private void change() throws Exception {
    String id = "item-" + random.nextInt(IDS);
    int price = random.nextInt(PRICES);
    Map<String, Integer> now = new HashMap<>(past.lastEntry().getValue());
    CatalogChange change;
    if (random.nextInt(3) == 0) {
      change = new CatalogChange.Removal(id);
      now.remove(id);
    } else {
      change = new CatalogChange.Upsert(item(id, price), Map.of());
      now.put(id, price);
    }
    past.put(running().writer().submit(change).get().offset(), now);
  }

  private void change(int times) throws Exception {
    for (int n = 0; n < times; n++) {
      change();
    }
  }

  private void rollBack() throws IOException {
    long to = running().snapshots().last().offset();
    long offset = running().snapshots().rollBack(to, then -> running().writer().rollBack(to, then));
    past.put(offset, Objects.requireNonNull(past.get(to)));
  }

  /** The writer is started again on a log that was set back to what it was, maybe. */
  private void restartWith(@Nullable Path older) throws IOException {
    running().close();
    running = null;
    if (older != null) {
      copy(older, dir.resolve("log"));
    }
    running = start();
    past.tailMap(running().log().end(), false).clear();
  }

  private Path copyOfLog() throws IOException {
    return copy(dir.resolve("log"), dir.resolve("log-" + users.incrementAndGet()));
  }

  private static Path copy(Path from, Path to) throws IOException {
    Files.createDirectories(to);
    String segment = "%020d.log".formatted(AT_FIRST + 1);
    Files.write(to.resolve(segment), Files.readAllBytes(from.resolve(segment)));
    return to;
  }

  private void awaitCaughtUp(Replica replica, CatalogFollower follower) {
    await()
        .atMost(PATIENCE)
        .pollInterval(Duration.ofMillis(2))
        .until(
            () ->
                follower.lag() == 0
                    && replica.state.offset() == past.lastKey()
                    && replica.prices().equals(past.lastEntry().getValue()));
  }

  /** Whatever is lost and however far the log grows again, who followed has what the log says. */
  @Test
  void follow_logLosesChangesAgainAndAgain_isTheLogsCatalogue() throws Exception {
    Snapshot first = store().newest(0, Long.MAX_VALUE, Set.of()).orElseThrow();
    Replica replica = new Replica(first.state(), store());
    int losses = 0;
    try (CatalogFollower follower = CatalogFollower.start(channel, first.place(), replica)) {
      for (int round = 0; round < 15; round++) {
        change(random.nextInt(4));
        if (random.nextInt(3) == 0) {
          running().snapshots().publish();
        } else if (random.nextInt(3) == 0) {
          rollBack();
        }
        Path older = copyOfLog();
        int lost = random.nextInt(4);
        change(lost);
        awaitCaughtUp(replica, follower);

        restartWith(lost > 0 ? older : null);
        losses += lost > 0 ? 1 : 0;
        change(random.nextInt(2 * lost + 2));
        awaitCaughtUp(replica, follower);
      }
    }
    assertThat(losses).isPositive();
  }

  /** Without snapshots there is nothing to begin with: what is known is not added to. */
  @Test
  void follow_logLosesChangesAndNoSnapshots_isNotUpToDateAndTakesNothing() throws Exception {
    Replica replica = new Replica(CatalogState.of(items), null);
    Path older = copyOfLog();
    try (CatalogFollower follower =
        CatalogFollower.start(channel, LogPlace.beginning(AT_FIRST), replica)) {
      change(3);
      awaitCaughtUp(replica, follower);
      restartWith(null);
      change(2);
      awaitCaughtUp(replica, follower);
      List<Long> before = List.copyOf(replica.changed);

      restartWith(older);
      await().atMost(PATIENCE).until(() -> !follower.hasBeenWithin(BEHIND));
      change(9);
      // It has asked again several times since.
      Thread.sleep(1000);
      assertThat(follower.hasBeenWithin(BEHIND)).isFalse();
      assertThat(follower.lag()).isEqualTo(-1);
      assertThat(replica.changed).isEqualTo(before);
    }
  }

  @Test
  void start_snapshotOfChangesThatAreLost_isRefusedHoweverFarTheLogHasGrown() throws Exception {
    Path older = copyOfLog();
    change(3);
    long published = running().snapshots().publish().offset();
    running().close();
    running = null;
    copy(older, dir.resolve("log"));
    try (RecordLog log = FileLog.open(dir.resolve("log"), AT_FIRST + 1);
        CatalogWriter writer = CatalogWriter.start(log, Map.of(), Optional::empty)) {
      for (int n = 0; n < 5; n++) {
        writer.submit(new CatalogChange.Removal("item-" + n)).get();
      }
      assertThat(log.end()).isGreaterThan(published);
    }

    assertThatThrownBy(this::start)
        .isInstanceOf(LogException.class)
        .hasMessageContaining("the newest snapshot is of offset " + published + " of epoch")
        .hasMessageContaining("as the log has: it lost changes");
  }

  @Test
  void follow_placesOfAllKinds_areToldApart() throws Exception {
    change(4);
    long start = running().log().start();
    long end = running().log().end();
    long epoch = LogPlace.of(running().log(), end).epoch();

    assertThat(code(end, epoch)).isEqualTo(Status.Code.OK);
    assertThat(code(end, 0)).isEqualTo(Status.Code.OK);
    assertThat(code(end, epoch + 1)).isEqualTo(Status.Code.ABORTED);
    assertThat(code(end + 1, epoch)).isEqualTo(Status.Code.ABORTED);
    assertThat(code(end + 1, 0)).isEqualTo(Status.Code.OUT_OF_RANGE);
    assertThat(code(start - 1, 0)).isEqualTo(Status.Code.OK);
    assertThat(code(start - 1, epoch)).isEqualTo(Status.Code.OUT_OF_RANGE);
    assertThat(code(start - 2, 0)).isEqualTo(Status.Code.OUT_OF_RANGE);
  }

  /** OK when there is a first answer, or how the call ends before it. */
  private Status.Code code(long after, long epoch) {
    FollowRequest request =
        FollowRequest.newBuilder().setAfterOffset(after).setAfterEpoch(epoch).build();
    try (Context.CancellableContext call = Context.current().withCancellation()) {
      call.call(() -> CatalogServiceGrpc.newBlockingStub(channel).follow(request).next());
      return Status.Code.OK;
    } catch (StatusRuntimeException e) {
      return e.getStatus().getCode();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private static CatalogItem item(String id, int price) {
    return new CatalogItem(
        id, "", "", List.of(), "", OptionalDouble.of(price), Map.of(), "", OptionalLong.empty());
  }
}
