package io.espalier.retrieval;

import io.espalier.bundles.BundleId;
import io.espalier.catalog.CatalogChange;
import io.espalier.catalog.CatalogState;
import io.espalier.catalog.LoggedChange;
import io.espalier.index.ItemIds;
import io.espalier.index.trie.SemanticIdTrie;
import io.espalier.stores.catalog.CatalogItem;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** A catalogue of a million items with brand, category and price, one bundle of 4 × 256 codes. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class CatalogueBenchmark {
  private static final int ITEMS = 1_000_000;
  private static final int LEVELS = 4;
  private static final BundleId BUNDLE = BundleId.parse("tiger@1");

  /** Items that changed since the snapshot. */
  @Param({"1000", "5000", "20000"})
  public int changes;

  private final Random random = new Random(1);
  private Catalogue catalogue = new Catalogue(CatalogState.of(List.of()), null, rebuild -> {});
  private long offset;

  @Setup
  public void build() {
    List<CatalogItem> items = IntStream.range(0, ITEMS).mapToObj(this::item).toList();
    // Never compacted by itself.
    catalogue = new Catalogue(CatalogState.of(items), null, rebuild -> {});
    catalogue.add(BUNDLE, new RandomIds(random));
    offset = ITEMS;
    List<LoggedChange> all = new ArrayList<>();
    for (int n = 0; n < changes; n++) {
      all.add(change(n));
    }
    catalogue.changed(all);
  }

  /** One change, until readers see it. */
  @Benchmark
  public Object change() {
    catalogue.changed(List.of(change(random.nextInt(Math.max(1, changes)))));
    return catalogue.view();
  }

  /** Snapshot and changes as one snapshot, on one core. */
  @Benchmark
  public Object compact() {
    return catalogue.view().compacted();
  }

  private LoggedChange change(int n) {
    return new LoggedChange(
        ++offset,
        new CatalogChange.Upsert(
            item(n * (ITEMS / Math.max(1, changes))),
            Map.of(BUNDLE, random.ints(LEVELS, 0, 256).boxed().toList())));
  }

  private CatalogItem item(int n) {
    return new CatalogItem(
        "item-" + n,
        "",
        "brand-" + random.nextInt(10_000),
        List.of("category-" + random.nextInt(100), "shelf-" + random.nextInt(2_000)),
        "",
        OptionalDouble.of(random.nextInt(20_000) / 100.0),
        Map.of(),
        "",
        OptionalLong.empty());
  }

  private record RandomIds(Random random) implements Catalogue.OwnIds {
    @Override
    public IdShape shape() {
      return new IdShape(LEVELS, 256);
    }

    @Override
    public SemanticIdTrie trie(ItemIds items) {
      return SemanticIdTrie.build(
          LEVELS, random.ints((long) items.size() * LEVELS, 0, 256).toArray());
    }

    @Override
    public List<Integer> of(String id) {
      return List.of();
    }
  }
}
