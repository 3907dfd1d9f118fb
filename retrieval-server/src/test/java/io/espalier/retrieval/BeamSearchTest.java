package io.espalier.retrieval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.index.trie.Constraint;
import io.espalier.index.trie.LegalItems;
import io.espalier.index.trie.LegalLeaves;
import io.espalier.index.trie.LiveTrie;
import io.espalier.index.trie.SemanticIdTrie;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.roaringbitmap.RoaringBitmap;

/**
 * The search against two references that know neither trie nor heap: all legal items scored and
 * sorted, and a beam search over plain lists of the legal items' prefixes. Models answer on a
 * coarse grid, so that sums are exact and ties common.
 */
class BeamSearchTest {
  private static final int INSTANCES = 6000;

  @Test
  void run_beamWideEnough_equalsScoringEveryItem() {
    forEachInstance(
        instance -> {
          int width = Math.max(1, instance.items());
          assertThat(instance.search(width)).isEqualTo(instance.exhaustive());
        });
  }

  @Test
  void run_anyWidth_equalsBeamsOverTheLegalItemsAlone() {
    forEachInstance(
        instance -> {
          int width = 1 + instance.random().nextInt(6);
          List<String> expected = instance.naive(width);
          assertThat(instance.search(width)).isEqualTo(expected);
          // Again: nothing depends on chance or on what went before.
          assertThat(instance.search(width)).isEqualTo(expected);
          assertThat(instance.searchRebuilt(width)).isEqualTo(expected);
        });
  }

  @Test
  void run_anyWidth_returnsLegalItemsAndAllOfThemWhenTheyFit() {
    forEachInstance(
        instance -> {
          int width = 1 + instance.random().nextInt(12);
          Constraint constraint = instance.constraint();
          List<BeamItem> found =
              BeamItem.best(
                  new BeamSearch(constraint, instance.model(), width).run(),
                  constraint,
                  Integer.MAX_VALUE);
          int[] items = found.stream().mapToInt(BeamItem::item).toArray();
          assertThat(items).doesNotHaveDuplicates();
          for (int item : items) {
            assertThat(instance.legal().get(item)).isTrue();
          }
          if (instance.ids() <= width) {
            assertThat(items).hasSize(instance.legal().cardinality());
          }
        });
  }

  @Test
  void trace_everyLegalItem_isPrunedWhereTheReferencePrunesIt() {
    forEachInstance(
        instance -> {
          int width = 1 + instance.random().nextInt(4);
          instance.legal().stream()
              .limit(5)
              .forEach(
                  item -> {
                    int[] target = instance.codes(item);
                    Optional<BeamSearch.Pruned> pruned =
                        new BeamSearch(instance.constraint(), instance.model(), width)
                            .trace(target);
                    assertThat(pruned).isEqualTo(instance.naiveFate(target, width));
                  });
        });
  }

  @Test
  void best_kItems_areTheFirstOfAll() {
    forEachInstance(
        instance -> {
          Constraint constraint = instance.constraint();
          List<Beam> beams = new BeamSearch(constraint, instance.model(), 8).run();
          List<BeamItem> all = BeamItem.best(beams, constraint, Integer.MAX_VALUE);
          int k = 1 + instance.random().nextInt(5);
          assertThat(BeamItem.best(beams, constraint, k))
              .isEqualTo(all.subList(0, Math.min(k, all.size())));
        });
  }

  @Test
  void trace_illegalTarget_isRefused() {
    SemanticIdTrie trie = SemanticIdTrie.build(1, new int[] {0, 1});
    Constraint first = trie.constraint(trie.legal(RoaringBitmap.bitmapOf(0)));
    BeamSearch search = new BeamSearch(first, new GridModel(1, 2, 1), 2);

    assertThatThrownBy(() -> search.trace(new int[] {1})).hasMessageContaining("target: [1]");
  }

  interface Check {
    void accept(Instance instance);
  }

  static void forEachInstance(Check check) {
    long seed = System.nanoTime();
    for (int n = 0; n < INSTANCES; n++) {
      Instance instance = Instance.draw(seed + n);
      try {
        check.accept(instance);
      } catch (AssertionError | RuntimeException e) {
        throw new AssertionError("seed: " + (seed + n) + ", " + instance, e);
      }
    }
    System.out.println("seeds: " + seed + " to " + (seed + INSTANCES - 1));
  }

  /** A random catalogue, filter and model. */
  record Instance(Random random, int levels, List<int[]> all, BitSet legal, GridModel model) {

    static Instance draw(long seed) {
      Random random = new Random(seed);
      int shape = random.nextInt(6);
      int levels =
          switch (shape) {
            case 0 -> 5 + random.nextInt(6); // deep
            case 1 -> 1; // flat
            default -> 1 + random.nextInt(4);
          };
      int fanout =
          switch (shape) {
            case 1 -> 1 + random.nextInt(200);
            case 2 -> 1; // one chain
            default -> 1 + random.nextInt(5);
          };
      int items = shape == 3 ? 1 : 1 + random.nextInt(40);
      boolean chains = shape == 4;
      List<int[]> all = new ArrayList<>();
      for (int item = 0; item < items; item++) {
        int[] codes = random.ints(levels, 0, fanout).toArray();
        if (chains) {
          // The first code fixes the others: below the root every node has one child.
          for (int d = 1; d < levels; d++) {
            codes[d] = (codes[0] + d) % fanout;
          }
        }
        all.add(codes);
      }
      double share =
          switch (random.nextInt(5)) {
            case 0 -> 1;
            case 1 -> 0;
            case 2 -> 0.1;
            default -> random.nextDouble();
          };
      BitSet legal = new BitSet();
      for (int item = 0; item < items; item++) {
        legal.set(item, random.nextDouble() < share);
      }
      return new Instance(random, levels, all, legal, new GridModel(seed, fanout + 7, levels));
    }

    int items() {
      return all.size();
    }

    int[] codes(int item) {
      return all.get(item);
    }

    long ids() {
      return legal.stream().mapToObj(item -> Arrays.toString(all.get(item))).distinct().count();
    }

    /**
     * The catalogue as a server comes to have it: an older snapshot, what changed since, a filter,
     * and items that the request excludes.
     */
    Constraint constraint() {
      int[] before = all.stream().flatMapToInt(Arrays::stream).toArray();
      Map<Integer, int[]> changes = new HashMap<>();
      double churn = random.nextInt(3) * random.nextDouble();
      for (int item = 0; item < all.size(); item++) {
        if (random.nextDouble() < churn) {
          changes.put(item, all.get(item));
          switch (random.nextInt(3)) {
            case 0 -> before[item * levels + random.nextInt(levels)] = random.nextInt(6);
            case 1 -> Arrays.fill(before, item * levels, (item + 1) * levels, -1);
            default -> {}
          }
        }
      }
      SemanticIdTrie trie = SemanticIdTrie.build(levels, before);
      boolean byFilter = random.nextBoolean();
      RoaringBitmap matching = new RoaringBitmap();
      List<Integer> excluded = new ArrayList<>();
      for (int item = 0; item < all.size(); item++) {
        boolean barred = !legal.get(item) && (!byFilter || random.nextInt(4) == 0);
        if (barred) {
          excluded.add(item);
        }
        if (legal.get(item) || barred) {
          matching.add(item);
        }
      }
      LegalLeaves leaves = byFilter ? trie.legal(matching) : trie.legal();
      if (changes.isEmpty() && random.nextBoolean()) {
        return trie.constraint(leaves.without(ints(excluded)));
      }
      LiveTrie live = LiveTrie.of(trie);
      if (random.nextBoolean()) {
        // Changes that later ones undo.
        Map<Integer, int[]> earlier = new HashMap<>();
        changes.forEach(
            (item, codes) ->
                earlier.put(item, random.nextBoolean() ? new int[0] : new int[levels]));
        live = live.after(earlier);
      }
      live = live.after(changes);
      LegalItems legalItems = byFilter ? live.filtered(leaves, matching) : live.legal();
      return legalItems.without(ints(excluded)).constraint();
    }

    private static int[] ints(List<Integer> list) {
      return list.stream().mapToInt(i -> i).toArray();
    }

    List<String> search(int width) {
      return lines(constraint(), width);
    }

    /** The same over a trie that only ever knew the legal items. */
    List<String> searchRebuilt(int width) {
      int[] none = new int[levels];
      Arrays.fill(none, -1);
      int[] codes =
          IntStream.range(0, all.size())
              .mapToObj(item -> legal.get(item) ? all.get(item) : none)
              .flatMapToInt(Arrays::stream)
              .toArray();
      SemanticIdTrie rebuilt = SemanticIdTrie.build(levels, codes);
      return lines(rebuilt.constraint(rebuilt.legal()), width);
    }

    private List<String> lines(Constraint constraint, int width) {
      List<Beam> beams = new BeamSearch(constraint, model, width).run();
      return BeamItem.best(beams, constraint, Integer.MAX_VALUE).stream()
          .map(b -> b.item() + " " + b.beam().codes() + " " + b.beam().score())
          .toList();
    }

    List<String> exhaustive() {
      return legal.stream()
          .boxed()
          .sorted(
              Comparator.comparingDouble((Integer item) -> -score(all.get(item)))
                  .thenComparingInt(item -> item))
          .map(this::line)
          .toList();
    }

    private String line(int item) {
      int[] codes = all.get(item);
      return item + " " + Arrays.toString(codes) + " " + score(codes);
    }

    double score(int[] prefix) {
      double sum = 0;
      for (int d = 0; d < prefix.length; d++) {
        sum += model.value(Arrays.copyOf(prefix, d), prefix[d]);
      }
      return sum;
    }

    /** The candidates of a level, in order; each with the legal items under it. */
    List<int[]> candidates(List<int[]> beams, int level) {
      TreeMap<int[], Integer> firstItem = new TreeMap<>(Arrays::compare);
      legal.stream()
          .forEach(
              item -> {
                int[] codes = all.get(item);
                if (beams.stream().anyMatch(b -> Arrays.equals(b, Arrays.copyOf(codes, level)))) {
                  firstItem.putIfAbsent(Arrays.copyOf(codes, level + 1), item);
                }
              });
      Comparator<int[]> tie =
          level == levels - 1 ? Comparator.comparing(firstItem::get) : Arrays::compare;
      return firstItem.keySet().stream()
          .sorted(Comparator.comparingDouble((int[] prefix) -> -score(prefix)).thenComparing(tie))
          .toList();
    }

    List<String> naive(int width) {
      List<int[]> beams = List.of(new int[0]);
      for (int level = 0; level < levels; level++) {
        beams = candidates(beams, level).stream().limit(width).toList();
      }
      List<int[]> finished = beams;
      return legal.stream()
          .boxed()
          .filter(item -> finished.stream().anyMatch(b -> Arrays.equals(b, all.get(item))))
          .sorted(
              Comparator.comparingDouble((Integer item) -> -score(all.get(item)))
                  .thenComparingInt(item -> item))
          .map(this::line)
          .toList();
    }

    Optional<BeamSearch.Pruned> naiveFate(int[] target, int width) {
      List<int[]> beams = List.of(new int[0]);
      for (int level = 0; level < levels; level++) {
        List<int[]> candidates = candidates(beams, level);
        for (int rank = width; rank < candidates.size(); rank++) {
          if (Arrays.equals(candidates.get(rank), Arrays.copyOf(target, level + 1))) {
            return Optional.of(new BeamSearch.Pruned(level, rank));
          }
        }
        beams = candidates.stream().limit(width).toList();
      }
      return Optional.empty();
    }

    @Override
    public String toString() {
      return levels
          + " levels, items "
          + all.stream().map(Arrays::toString).toList()
          + ", legal "
          + legal;
    }
  }
}
