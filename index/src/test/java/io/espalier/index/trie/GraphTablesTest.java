package io.espalier.index.trie;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.roaringbitmap.RoaringBitmap;

/** What a fused graph is given says the same as the trie that it was made of. */
class GraphTablesTest {
  private static final int ROUNDS = 3000;

  @Test
  void nodes_randomTries_areThePrefixesBreadthFirst() {
    Random random = random();
    for (int round = 0; round < ROUNDS; round++) {
      int levels = 1 + random.nextInt(6);
      int[] codes = codes(random, levels, random.nextInt(80));
      SemanticIdTrie trie = SemanticIdTrie.build(levels, codes);
      TrieNodes nodes = trie.nodes();

      List<List<Integer>> prefixes = prefixes(levels, leaves(trie));
      assertThat(nodes.size()).isEqualTo(prefixes.size());
      Map<List<Integer>, Integer> number = new HashMap<>();
      prefixes.forEach(prefix -> number.put(prefix, number.size()));
      long[] branching = new long[levels];
      Arrays.fill(branching, 1);
      for (int node = 0; node < prefixes.size(); node++) {
        List<Integer> prefix = prefixes.get(node);
        int children = nodes.firstChildren()[node + 1] - nodes.firstChildren()[node];
        for (int child = 0; child < children; child++) {
          List<Integer> longer = prefixes.get(nodes.firstChildren()[node] + child);
          assertThat(longer.subList(0, prefix.size())).isEqualTo(prefix);
        }
        if (prefix.size() < levels) {
          branching[prefix.size()] = Math.max(branching[prefix.size()], children);
        } else {
          assertThat(children).isZero();
        }
        if (node > 0) {
          assertThat(nodes.codes()[node]).isEqualTo(prefix.getLast());
          int parent = number.getOrDefault(prefix.subList(0, prefix.size() - 1), -2);
          assertThat(nodes.child(parent, prefix.getLast())).isEqualTo(node);
          assertThat(nodes.child(parent, 1 << 20)).isEqualTo(-1);
        }
        int until = nodes.firstLeaves()[node + 1];
        int end = until == 0 ? trie.size() : until;
        for (int leaf = 0; leaf < trie.size(); leaf++) {
          assertThat(under(prefix, trie.semanticId(nodes.itemAt()[leaf])))
              .isEqualTo(nodes.firstLeaves()[node] <= leaf && leaf < end);
        }
      }
      assertThat(nodes.branching()).containsExactly(branching);
    }
  }

  @Test
  void words_randomFiltersAndExclusions_areTheLegalLeavesAndWhatFollows() {
    Random random = random();
    for (int round = 0; round < ROUNDS; round++) {
      SemanticIdTrie trie = SemanticIdTrie.build(2, codes(random, 2, random.nextInt(200)));
      RoaringBitmap matching = new RoaringBitmap();
      double share = random.nextInt(3) == 0 ? 0.02 : random.nextDouble();
      for (int item = 0; item < 200; item++) {
        if (random.nextDouble() < share) {
          matching.add(item);
        }
      }
      boolean filtered = random.nextBoolean();
      int[] excluded = random.ints(random.nextInt(5), 0, 200).toArray();
      long[] words = (filtered ? trie.legal(matching) : trie.legal()).without(excluded).words();

      boolean[] legal = new boolean[trie.size()];
      for (int leaf = 0; leaf < legal.length; leaf++) {
        int item = trie.item(leaf);
        legal[leaf] =
            (!filtered || matching.contains(item))
                && Arrays.stream(excluded).noneMatch(barred -> barred == item);
      }
      assertThat(words).hasSize(trie.size() / 32 + 1);
      for (int w = 0; w < words.length; w++) {
        for (int bit = 0; bit < 32; bit++) {
          int leaf = 32 * w + bit;
          assertThat((words[w] >>> bit & 1) == 1).isEqualTo(leaf < legal.length && legal[leaf]);
        }
        int next = 32 * (w + 1);
        while (next < legal.length && !legal[next]) {
          next++;
        }
        assertThat(words[w] >>> 32).isEqualTo(Math.min(next, legal.length));
      }
    }
  }

  @Test
  void delta_randomChanges_areThePrefixesOfTheLegalOnes() {
    Random random = random();
    for (int round = 0; round < ROUNDS; round++) {
      int levels = 1 + random.nextInt(4);
      int items = 1 + random.nextInt(40);
      SemanticIdTrie snapshot = SemanticIdTrie.build(levels, codes(random, levels, items));
      Map<Integer, int[]> changes = new TreeMap<>();
      for (int i = random.nextInt(9); i > 0; i--) {
        changes.put(random.nextInt(items + 20), codes(random, levels, 1));
      }
      LiveTrie live = LiveTrie.of(snapshot).after(changes);
      int barred = random.nextInt(items + 20);
      int outside = random.nextInt(items + 20);
      RoaringBitmap others = RoaringBitmap.bitmapOfRange(0, items + 20);
      others.remove(outside);
      LegalItems legal = live.filtered(snapshot.legal(), others).without(new int[] {barred});
      changes.keySet().removeAll(List.of(barred, outside));
      int room = changes.size() + random.nextInt(4);
      DeltaNodes delta = legal.delta(snapshot.nodes(), room);

      assertThat(legal.changed()).isEqualTo(changes.size());
      Map<List<Integer>, Integer> lowest = new HashMap<>();
      changes.forEach((item, codes) -> lowest.merge(list(codes), item, Math::min));
      List<List<Integer>> known = prefixes(levels, leaves(snapshot));
      List<List<Integer>> above = List.of(List.of());
      for (int level = 0; level < levels; level++) {
        SortedSet<List<Integer>> here = new TreeSet<>(GraphTablesTest::compare);
        for (int[] codes : changes.values()) {
          here.add(list(codes).subList(0, level + 1));
        }
        List<List<Integer>> rows = new ArrayList<>(here);
        for (int row = 0; row < room; row++) {
          int at = level * room + row;
          boolean real = row < rows.size();
          List<Integer> prefix = real ? rows.get(row) : List.of(-1);
          assertThat(delta.codes()[at]).isEqualTo(prefix.getLast().longValue());
          assertThat(delta.parents()[at])
              .isEqualTo(real ? above.indexOf(prefix.subList(0, level)) : -1);
          assertThat(delta.twins()[at]).isEqualTo(real ? known.indexOf(prefix) : -1);
          if (level == levels - 1) {
            assertThat(delta.items()[row])
                .isEqualTo(real ? lowest.getOrDefault(prefix, -2).longValue() : -1);
          }
        }
        above = rows;
      }
    }
  }

  private static Random random() {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    return new Random(seed);
  }

  private static int[] codes(Random random, int levels, int items) {
    return random.ints((long) items * levels, 0, 1 + random.nextInt(9)).toArray();
  }

  private static List<List<Integer>> leaves(SemanticIdTrie trie) {
    List<List<Integer>> leaves = new ArrayList<>();
    for (int leaf = 0; leaf < trie.size(); leaf++) {
      leaves.add(list(trie.semanticId(trie.item(leaf))));
    }
    return leaves;
  }

  /** Every prefix, the shorter before the longer, equally long ones in order. */
  private static List<List<Integer>> prefixes(int levels, List<List<Integer>> ids) {
    List<List<Integer>> all = new ArrayList<>(List.of(List.of()));
    for (int length = 1; length <= levels; length++) {
      SortedSet<List<Integer>> prefixes = new TreeSet<>(GraphTablesTest::compare);
      for (List<Integer> id : ids) {
        prefixes.add(id.subList(0, length));
      }
      all.addAll(prefixes);
    }
    return all;
  }

  private static boolean under(List<Integer> prefix, int[] id) {
    return prefix.equals(list(id).subList(0, prefix.size()));
  }

  private static List<Integer> list(int[] codes) {
    return Arrays.stream(codes).boxed().toList();
  }

  private static int compare(List<Integer> a, List<Integer> b) {
    return Arrays.compare(
        a.stream().mapToInt(i -> i).toArray(), b.stream().mapToInt(i -> i).toArray());
  }
}
