package io.espalier.catalog;

import io.espalier.bundles.BundleId;
import io.espalier.index.trie.LiveTrie;
import io.espalier.index.trie.SemanticIdTrie;
import io.espalier.stores.blobs.FolderBlobs;
import io.espalier.stores.catalog.AttributeValue;
import io.espalier.stores.catalog.CatalogItem;
import io.opentelemetry.api.OpenTelemetry;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Random;

/**
 * What a catalogue takes: {@code MemoryBenchmark ITEMS FOLDER [BUNDLE LEVELS CODES]}. Prints how
 * long a snapshot takes to be built, written and mapped, and bytes an item by part, mapped and on
 * the heap. A server that has the bundle can begin with the snapshots in {@code FOLDER/store}.
 *
 * <p>Items have a brand, two categories, a price, a stock, a group of three variants, a colour and
 * a flag, and semantic ids of a bundle, by default of 8 levels of 2,048 codes.
 */
public final class MemoryBenchmark {
  // As many as fit on the heap with all that describes them; each step makes a snapshot of all.
  private static final int STEP = 2_500_000;
  private static final int CHANGES = 5_000;

  private final Random random = new Random(1);
  private final BundleId bundle;
  private final int levels;
  private final int codes;
  private long offset;

  private MemoryBenchmark(BundleId bundle, int levels, int codes) {
    this.bundle = bundle;
    this.levels = levels;
    this.codes = codes;
  }

  /** Runs it. */
  public static void main(String[] args) throws IOException {
    MemoryBenchmark benchmark =
        args.length == 2
            ? new MemoryBenchmark(BundleId.parse("tiger@1"), 8, 2048)
            : new MemoryBenchmark(
                BundleId.parse(args[2]), Integer.parseInt(args[3]), Integer.parseInt(args[4]));
    benchmark.run(Integer.parseInt(args[0]), Path.of(args[1]));
  }

  private void run(int items, Path folder) throws IOException {
    SnapshotStore store =
        new SnapshotStore(
            FolderBlobs.open(Files.createDirectories(folder.resolve("store"))),
            folder.resolve("cache"),
            OpenTelemetry.noop().getMeter("benchmark"));
    Snapshot snapshot = first(store, items);
    for (int round = 0; round < 3; round++) {
      List<LoggedChange> changes = new ArrayList<>();
      for (int n = 0; n < CHANGES; n++) {
        changes.add(upsert(random.nextInt(items)));
      }
      long start = System.nanoTime();
      long processor = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
      SnapshotManifest manifest =
          new SnapshotFiles(store, LogPlace.beginning(offset), () -> {})
              .write(snapshot.state().after(changes), snapshot, changes, 0);
      long written = System.nanoTime();
      long used = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - processor;
      snapshot = publish(store, manifest);
      long opened = System.nanoTime();
      store.keepOnly(snapshot);
      System.out.printf(
          Locale.ROOT,
          "%,d items, %,d changes: built and written in %.2f s (%.2f s of a processor), verified"
              + " and mapped in %.2f s%n",
          items,
          CHANGES,
          (written - start) / 1e9,
          used / 1e9,
          (opened - written) / 1e9);
    }
    print(snapshot, items);
  }

  /** Made in steps, so that it never is on the heap as a whole. */
  private Snapshot first(SnapshotStore store, int items) throws IOException {
    CatalogState state =
        CatalogState.of(List.of())
            .with(bundle, LiveTrie.of(SemanticIdTrie.build(levels, new int[0])));
    for (int from = 0; from < items; from += STEP) {
      List<LoggedChange> changes = new ArrayList<>();
      for (int n = from; n < Math.min(items, from + STEP); n++) {
        changes.add(upsert(n));
      }
      state = state.after(changes).compacted();
      System.out.printf(Locale.ROOT, "%,d items%n", state.items().size());
    }
    return publish(
        store,
        new SnapshotFiles(store, LogPlace.beginning(offset), () -> {}).write(state, List.of(), 0));
  }

  private static Snapshot publish(SnapshotStore store, SnapshotManifest manifest)
      throws IOException {
    store.publish(manifest);
    return store.open(manifest);
  }

  private void print(Snapshot snapshot, int items) {
    SemanticIdTrie.Bytes trie =
        Objects.requireNonNull(snapshot.state().tries().get(bundle)).snapshot().bytes();
    long ids = snapshot.state().items().snapshotIds().byteSize();
    long attributes = snapshot.state().items().snapshot().byteSize();
    line("trie", trie.ids(), items);
    line("trie, from leaf to item and back", trie.items(), items);
    line("external ids", ids, items);
    line("attributes", attributes, items);
    line("mapped in all", trie.ids() + trie.items() + ids + attributes, items);
    System.gc();
    Runtime runtime = Runtime.getRuntime();
    line("heap after a collection", runtime.totalMemory() - runtime.freeMemory(), items);
    // What was measured is still there.
    System.out.println(snapshot.offset());
  }

  private static void line(String part, long bytes, int items) {
    System.out.printf(
        Locale.ROOT,
        "%-34s %8.2f bytes an item %10.1f MB%n",
        part,
        (double) bytes / items,
        bytes / 1e6);
  }

  private LoggedChange upsert(int n) {
    CatalogItem item =
        new CatalogItem(
            "item-" + n,
            "",
            "brand-" + random.nextInt(10_000),
            List.of("category-" + random.nextInt(100), "shelf-" + random.nextInt(2_000)),
            "",
            OptionalDouble.of(random.nextInt(20_000) / 100.0),
            Map.of(
                "colour", new AttributeValue.Text("colour-" + random.nextInt(20)),
                "used", new AttributeValue.Flag(random.nextInt(10) == 0)),
            "group-" + n / 3,
            OptionalLong.of(random.nextInt(100)));
    return new LoggedChange(
        ++offset,
        new CatalogChange.Upsert(
            item, Map.of(bundle, random.ints(levels, 0, codes).boxed().toList())));
  }
}
