package io.espalier.retrieval;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.bundles.BundleId;
import io.espalier.catalog.CatalogChange;
import io.espalier.catalog.CatalogState;
import io.espalier.catalog.LoggedChange;
import io.espalier.index.ItemIds;
import io.espalier.index.live.LiveItems;
import io.espalier.index.trie.LiveTrie;
import io.espalier.index.trie.SemanticIdTrie;
import io.espalier.stores.catalog.CatalogItem;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class CatalogueTest {
  private static final BundleId BUNDLE = BundleId.parse("tiger@1");
  private static final int AT_FIRST = 200;
  private static final int IDS = 400;

  /** Compactions are held back for some batches, so that changes come meanwhile. */
  @Test
  void changed_randomChangesAndCompactions_isTheCatalogueBuiltAfresh() {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    int compactions = 0;
    for (int round = 0; round < 20; round++) {
      Deque<Runnable> held = new ArrayDeque<>();
      // Codes by id, in the order in which the catalogue came to know the items; empty for none.
      Map<String, List<Integer>> truth = new LinkedHashMap<>();
      for (int item = 0; item < AT_FIRST; item++) {
        truth.put("item-" + item, codes(random));
      }
      Catalogue catalogue =
          new Catalogue(
              CatalogState.of(truth.keySet().stream().map(id -> item(id)).toList()),
              null,
              held::add);
      catalogue.add(BUNDLE, () -> trie(truth.values()));
      ItemIds source =
          ItemIds.of(IntStream.range(0, IDS / 2).mapToObj(n -> "item-" + 2 * n).toList());
      catalogue.add(source);
      long offset = AT_FIRST;
      for (int batch = 0; batch < 120; batch++) {
        List<LoggedChange> changes = new ArrayList<>();
        for (int n = random.nextInt(150); n > 0; n--) {
          String id = "item-" + random.nextInt(IDS);
          if (random.nextInt(2) == 0) {
            truth.remove(id);
            changes.add(new LoggedChange(++offset, new CatalogChange.Removal(id)));
          } else {
            List<Integer> codes = codes(random);
            truth.put(id, codes);
            changes.add(
                new LoggedChange(
                    ++offset,
                    new CatalogChange.Upsert(
                        item(id), codes.isEmpty() ? Map.of() : Map.of(BUNDLE, codes))));
          }
        }
        catalogue.changed(changes);
        if (!held.isEmpty() && random.nextInt(4) == 0) {
          assertThat(held).as("compactions at a time").hasSize(1);
          int before = catalogue.view().items().changes();
          held.remove().run();
          assertThat(catalogue.view().items().changes()).isLessThan(before);
          compactions++;
        }
        assertThat(catalogue.view().offset()).isEqualTo(offset);
        assertEqual(catalogue.view(), source, truth);
      }
    }
    assertThat(compactions).isGreaterThan(20);
  }

  private static void assertEqual(
      CatalogueView view, ItemIds source, Map<String, List<Integer>> truth) {
    LiveItems items = view.items();
    LiveTrie trie = view.trie(BUNDLE);
    Map<String, List<Integer>> found = new LinkedHashMap<>();
    items
        .all()
        .forEach(
            (int index) ->
                found.put(
                    items.id(index),
                    trie.contains(index)
                        ? Arrays.stream(trie.semanticId(index)).boxed().toList()
                        : List.of()));
    assertThat(found).containsExactlyEntriesOf(truth);
    for (int n = 0; n < source.size(); n++) {
      assertThat(view.indices(source).of(n)).isEqualTo(items.snapshotIds().indexOf(source.id(n)));
    }
  }

  private static List<Integer> codes(Random random) {
    return random.nextInt(8) == 0 ? List.of() : random.ints(3, 0, 5).boxed().toList();
  }

  private static SemanticIdTrie trie(Iterable<List<Integer>> ids) {
    IntStream.Builder codes = IntStream.builder();
    for (List<Integer> id : ids) {
      (id.isEmpty() ? List.of(-1, 0, 0) : id).forEach(codes::add);
    }
    return SemanticIdTrie.build(3, codes.build().toArray());
  }

  private static CatalogItem item(String id) {
    return new CatalogItem(
        id, "", "", List.of(), "", OptionalDouble.empty(), Map.of(), "", OptionalLong.empty());
  }
}
