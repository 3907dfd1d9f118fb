package io.espalier.catalog;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.bundles.BundleId;
import io.espalier.index.filter.AttributeValue;
import io.espalier.index.filter.ItemFilter;
import io.espalier.index.live.LiveItems;
import io.espalier.server.RequestException;
import io.espalier.stores.blobs.FolderBlobs;
import io.espalier.stores.catalog.CatalogItem;
import io.espalier.stores.log.LogRecord;
import io.espalier.testing.MemoryLog;
import io.opentelemetry.api.OpenTelemetry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Random histories of a catalogue: changes, snapshots, restarts of the writer, returns, and files
 * that rot. What a snapshot and the log after it say is always the catalogue built afresh, and new
 * items' ids are given as if the writer had always known it.
 */
class SnapshotHistoriesTest {
  private static final BundleId BUNDLE = BundleId.parse("tiger@1");
  private static final BundleId NEWER = BundleId.parse("tiger@2");
  private static final int LEVELS = 2;
  private static final int CODES = 6;
  private static final int IDS = 30;
  private static final int KEPT = 3;
  private static final AddedTokens ADDED = new AddedTokens();

  @TempDir Path dir;

  /** What the catalogue is: by id, in the order in which it came to know the items. */
  private record Truth(Map<String, CatalogChange.Upsert> items) {
    Truth copy() {
      return new Truth(new LinkedHashMap<>(items));
    }
  }

  @Test
  void histories_changesSnapshotsReturnsRestartsAndRot_areTheCatalogueBuiltAfresh()
      throws Exception {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    int[] counts = new int[4];
    for (int round = 0; round < Integer.getInteger("espalier.histories", 200); round++) {
      Path folder = Files.createDirectory(dir.resolve("round-" + round));
      new History(new Random(seed + round), folder).run(counts);
      delete(folder);
    }
    System.out.printf(
        "%d snapshots, %d returns, %d restarts, %d rotten%n",
        counts[0], counts[1], counts[2], counts[3]);
    assertThat(counts).doesNotContain(0);
  }

  private static void delete(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.toList().reversed()) {
        Files.delete(file);
      }
    }
  }

  private static final int READ_BYTES = 1 << 20;

  /** One catalogue's life. */
  private static final class History {
    private final Random random;
    private final Path folder;
    private final int atFirst;
    // Whether the bundles can tell new items' ids.
    private final boolean tellsNew;
    private final List<CatalogItem> items;
    private final Map<BundleId, SnapshotPublisher.Codes> codes = new TreeMap<>();
    private final MemoryLog log;
    private final Truth truth = new Truth(new LinkedHashMap<>());
    // By offset, what the catalogue was.
    private final Map<Long, Truth> past = new TreeMap<>();
    private SnapshotPublisher publisher;
    private CatalogWriter writer;
    // One that follows all along, and what it has made of it.
    private final SnapshotStore followed;
    private CatalogState follower;

    History(Random random, Path folder) throws IOException {
      this.random = random;
      this.folder = folder;
      this.atFirst = random.nextInt(12);
      this.tellsNew = random.nextInt(5) == 0;
      this.items = IntStream.range(0, atFirst).mapToObj(n -> item("item-" + n)).toList();
      this.log = new MemoryLog(atFirst + 1);
      codes.put(BUNDLE, table());
      items.forEach(item -> truth.items().put(item.id(), known(item)));
      past.put((long) atFirst, truth.copy());
      open();
      this.followed = store("follower");
      this.follower = bootstrapped(followed, 0);
    }

    private Truth at(long offset) {
      return Objects.requireNonNull(past.get(offset), () -> "offset " + offset);
    }

    private SnapshotPublisher.Codes table() {
      Map<String, List<Integer>> table = new TreeMap<>();
      for (int n = 0; n < IDS; n += 2) {
        table.put("item-" + n, codes(random));
      }
      return new SnapshotPublisher.Codes(LEVELS, table);
    }

    private CatalogChange.Upsert known(CatalogItem item) {
      Map<BundleId, List<Integer>> ids = new TreeMap<>();
      codes.forEach(
          (bundle, c) -> {
            List<Integer> own = c.table().get(item.id());
            if (own != null) {
              ids.put(bundle, own);
            }
          });
      return new CatalogChange.Upsert(item, ids);
    }

    private SnapshotStore store(String user) throws IOException {
      return new SnapshotStore(
          FolderBlobs.open(folder.resolve("store")),
          folder.resolve(user),
          OpenTelemetry.noop().getMeter("test"));
    }

    private void open() throws IOException {
      SnapshotSettings settings =
          new SnapshotSettings(KEPT, Integer.MAX_VALUE - 100, Duration.ofDays(1), 1);
      publisher =
          SnapshotPublisher.start(
              log,
              store("writer"),
              settings,
              items,
              codes,
              random.nextInt(3) == 0 ? 1 + random.nextInt(6) : 1000);
      Map<BundleId, ItemCoder> coders = new TreeMap<>();
      Set<BundleId> live = publisher.bundles();
      live.forEach(bundle -> coders.put(bundle, coder(of(bundle).table())));
      writer = CatalogWriter.start(log, coders, () -> Optional.of(publisher.last()));
      for (BundleId bundle : codes.keySet()) {
        if (!live.contains(bundle)) {
          join(bundle);
        }
      }
    }

    private SnapshotPublisher.Codes of(BundleId bundle) {
      return Objects.requireNonNull(codes.get(bundle));
    }

    /** Items that came before are given ids of a version, by changes like any other. */
    private void join(BundleId bundle) throws IOException {
      long before = log.end();
      writer.add(bundle, coder(of(bundle).table()));
      int given = writer.giveIds(bundle);
      for (var record : given == 0 ? List.<LogRecord>of() : log.read(before + 1, READ_BYTES)) {
        CatalogChange.Upsert upsert =
            (CatalogChange.Upsert) ChangeMessages.read(CatalogWriter.message(record));
        assertThat(id(bundle, upsert)).hasSize(LEVELS);
        truth.items().put(upsert.id(), upsert);
        past.put(record.offset(), truth.copy());
      }
      assertThat(log.end()).isEqualTo(before + given);
      assertThat(publisher.add(bundle, of(bundle), () -> writer.assigned(bundle, writer.returns())))
          .isTrue();
    }

    private ItemCoder coder(Map<String, List<Integer>> table) {
      return new ItemCoder(
          table, tellsNew ? ADDED.newItems(LEVELS, CODES, table.values(), Map.of()) : null);
    }

    private void close() {
      writer.close();
      publisher.close();
    }

    void run(int[] counts) throws Exception {
      for (int step = 0; step < 12; step++) {
        switch (random.nextInt(8)) {
          case 0, 1, 2 -> change();
          case 3 -> {
            publisher.publish();
            counts[0]++;
          }
          case 4 -> counts[1] += rollBack() ? 1 : 0;
          case 5 -> {
            close();
            if (random.nextInt(3) == 0 && !codes.containsKey(NEWER)) {
              addBundle();
            }
            open();
            counts[2]++;
          }
          case 6 -> counts[3] += rot() ? 1 : 0;
          default -> follower = followed(followed, follower);
        }
        check();
      }
      close();
    }

    private void change() throws Exception {
      for (int n = random.nextInt(6); n > 0; n--) {
        String id = "item-" + random.nextInt(IDS);
        CatalogChange change =
            random.nextInt(3) == 0
                ? new CatalogChange.Removal(id)
                : new CatalogChange.Upsert(item(id), Map.of());
        CatalogWriter.Accepted accepted = writer.submit(change).get();
        if (accepted.change() instanceof CatalogChange.Upsert upsert) {
          codes.forEach((bundle, c) -> checkId(bundle, c.table(), upsert));
          truth.items().put(id, upsert);
        } else {
          truth.items().remove(id);
        }
        past.put(accepted.offset(), truth.copy());
      }
    }

    /** A new item keeps what it can of its id, and shares one only where none is free. */
    private void checkId(
        BundleId bundle, Map<String, List<Integer>> table, CatalogChange.Upsert after) {
      List<Integer> id = id(bundle, after);
      CatalogChange.Upsert before = truth.items().get(after.id());
      List<Integer> old = before == null ? List.of() : id(bundle, before);
      if (table.containsKey(after.id())) {
        assertThat(id).isEqualTo(table.get(after.id()));
      } else if (!tellsNew) {
        assertThat(id).isEmpty();
      } else if (before != null && !old.isEmpty() && text(before).equals(text(after))) {
        assertThat(id).isEqualTo(old);
      } else if (!old.isEmpty() && old.getFirst().equals(id.getFirst())) {
        assertThat(id).isEqualTo(old);
      } else {
        List<List<Integer>> taken = new ArrayList<>(table.values());
        truth.items().values().stream()
            .filter(other -> !other.id().equals(after.id()))
            .forEach(other -> taken.add(id(bundle, other)));
        assertThat(id).hasSize(LEVELS);
        if (taken.contains(id)) {
          assertThat(taken)
              .containsAll(
                  IntStream.range(0, CODES).mapToObj(c -> List.of(id.getFirst(), c)).toList());
        }
      }
    }

    private static List<Integer> id(BundleId bundle, CatalogChange.Upsert item) {
      return item.semanticIds().getOrDefault(bundle, List.of());
    }

    private static String text(CatalogChange.Upsert item) {
      return TextVectors.text(item.item());
    }

    private boolean rollBack() throws IOException {
      List<SnapshotManifest> kept = publisher.kept();
      SnapshotManifest to = kept.get(random.nextInt(kept.size()));
      long before = log.end();
      long offset;
      try {
        offset = publisher.rollBack(to.offset(), then -> writer.rollBack(to.offset(), then));
      } catch (RequestException e) {
        // It has rotted, or was made before the newer bundle version.
        assertThat(log.end()).isEqualTo(before);
        return false;
      }
      assertThat(offset).isEqualTo(before + 1);
      Truth then = at(to.offset());
      truth.items().clear();
      truth.items().putAll(then.items());
      past.put(offset, truth.copy());
      return true;
    }

    /** The writer is started with one more bundle version: items that it knows get its ids. */
    private void addBundle() {
      SnapshotPublisher.Codes table = table();
      codes.put(NEWER, table);
      truth.items().replaceAll((id, upsert) -> with(table, upsert));
      past.put(log.end(), truth.copy());
    }

    private CatalogChange.Upsert with(SnapshotPublisher.Codes newer, CatalogChange.Upsert upsert) {
      Map<BundleId, List<Integer>> ids = new TreeMap<>(upsert.semanticIds());
      List<Integer> own = newer.table().get(upsert.id());
      if (own != null) {
        ids.put(NEWER, own);
      }
      return new CatalogChange.Upsert(upsert.item(), ids);
    }

    /** Spoils a file of a snapshot that is not the only one left. */
    private boolean rot() throws IOException {
      List<SnapshotManifest> kept = publisher.kept();
      if (kept.size() < 2) {
        return false;
      }
      List<String> all = kept.stream().flatMap(m -> m.parts()).map(part -> part.key()).toList();
      // Not the newest: what the writer itself is made of is whole.
      List<String> newest = kept.getFirst().parts().map(part -> part.key()).toList();
      List<String> older = all.stream().filter(key -> !newest.contains(key)).toList();
      if (older.isEmpty()) {
        return false;
      }
      Path file = folder.resolve("store").resolve(older.get(random.nextInt(older.size())));
      byte[] bytes = Files.readAllBytes(file);
      if (random.nextBoolean()) {
        bytes = Arrays.copyOf(bytes, bytes.length / 2);
      } else if (bytes.length >= 4096) {
        bytes[random.nextInt(4096)] ^= 1;
      }
      Files.write(file, bytes);
      return true;
    }

    private void check() throws IOException {
      CatalogState fresh = followed(store("new-" + random.nextInt(2)), null);
      assertEqual(fresh, truth);
      assertThat(fresh.offset()).isEqualTo(log.end());
      assertThat(publisher.kept()).hasSizeBetween(1, KEPT);
      for (SnapshotManifest kept : publisher.kept()) {
        // Who begins with it can be compared with the log.
        assertThat(kept.place())
            .isEqualTo(
                kept.offset() == atFirst
                    ? LogPlace.beginning(atFirst)
                    : LogPlace.of(log, kept.offset()));
      }
      if (random.nextBoolean()) {
        follower = followed(followed, follower);
        assertEqual(follower, truth);
      }
    }

    private CatalogState bootstrapped(SnapshotStore store, long least) throws IOException {
      Snapshot snapshot = store.newest(least, Long.MAX_VALUE, codes.keySet()).orElseThrow();
      assertEqual(snapshot.state(), at(snapshot.offset()));
      for (CatalogChange.Upsert upsert : at(snapshot.offset()).items().values()) {
        assertThat(snapshot.item(upsert.id())).contains(upsert.item());
      }
      return snapshot.state().only(codes.keySet());
    }

    /** Follows the log to its end as a replica does: what is dropped or undone is skipped. */
    private CatalogState followed(SnapshotStore store, @Nullable CatalogState before)
        throws IOException {
      CatalogState state =
          before == null || !before.tries().keySet().equals(codes.keySet())
              ? bootstrapped(store, 0)
              : before;
      while (state.offset() < log.end()) {
        if (state.offset() + 1 < log.start()) {
          state = bootstrapped(store, state.offset() + 1);
          continue;
        }
        List<LoggedChange> changes = new ArrayList<>();
        long restart = -1;
        for (var record : log.read(state.offset() + 1, 1 << 20)) {
          var message = CatalogWriter.message(record);
          if (message.hasRolledBack()) {
            restart = record.offset();
            break;
          }
          changes.add(new LoggedChange(record.offset(), ChangeMessages.read(message)));
        }
        state = restart < 0 ? state.after(changes) : bootstrapped(store, restart);
      }
      return state;
    }

    private CatalogItem item(String id) {
      return SnapshotHistoriesTest.item(
          id, random.nextInt(4), AddedTokens.WORDS.get(random.nextInt(8)));
    }
  }

  private static List<Integer> codes(Random random) {
    return random.ints(LEVELS, 0, 4).boxed().toList();
  }

  private static CatalogItem item(String id, int price, String title) {
    return new CatalogItem(
        id,
        title,
        "brand-" + price % 2,
        List.of(),
        "",
        OptionalDouble.of(price),
        Map.of(),
        "",
        OptionalLong.empty());
  }

  private static void assertEqual(CatalogState state, Truth truth) {
    LiveItems items = state.items();
    List<String> inOrder = new ArrayList<>();
    items.all().forEach((int index) -> inOrder.add(items.id(index)));
    assertThat(inOrder).containsExactlyElementsOf(truth.items().keySet());
    state
        .tries()
        .forEach(
            (bundle, trie) ->
                truth
                    .items()
                    .forEach(
                        (id, upsert) -> {
                          int index = items.indexOf(id);
                          List<Integer> codes =
                              trie.contains(index)
                                  ? Arrays.stream(trie.semanticId(index)).boxed().toList()
                                  : List.of();
                          assertThat(codes)
                              .isEqualTo(upsert.semanticIds().getOrDefault(bundle, List.of()));
                        }));
    for (int price = 0; price < 4; price++) {
      int wanted = price;
      List<String> found = new ArrayList<>();
      items
          .matching(new ItemFilter.Equals("price", AttributeValue.of(price)))
          .forEach((int index) -> found.add(items.id(index)));
      assertThat(found)
          .isEqualTo(
              truth.items().values().stream()
                  .filter(upsert -> upsert.item().price().orElseThrow() == wanted)
                  .map(CatalogChange.Upsert::id)
                  .toList());
    }
  }
}
