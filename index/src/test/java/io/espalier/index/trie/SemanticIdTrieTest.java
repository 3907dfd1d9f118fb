package io.espalier.index.trie;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.index.ItemIds;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.roaringbitmap.RoaringBitmap;

class SemanticIdTrieTest {

  @Test
  void build_noItems_hasOnlyTheRoot() {
    SemanticIdTrie trie = SemanticIdTrie.build(3, new int[0]);

    assertThat(trie.size()).isZero();
    assertThat(walk(trie.constraint(trie.legal()))).isEmpty();
    assertThat(walk(trie.constraint(trie.legal(new RoaringBitmap())))).isEmpty();
    Constraint constraint = trie.constraint(trie.legal());
    assertThat(constraint.follow(0, constraint.root(), 0)).isEqualTo(Constraint.NONE);
  }

  @Test
  void build_itemsOnOneId_givesThemAscending() {
    SemanticIdTrie trie = SemanticIdTrie.build(2, new int[] {7, 3, 1, 1, 7, 3});

    assertThat(walk(trie.constraint(trie.legal())))
        .containsExactly("[1, 1] -> [1]", "[7, 3] -> [0, 2]");
  }

  @Test
  void build_itemWithoutId_isNotInTheTrie() {
    SemanticIdTrie trie = SemanticIdTrie.build(2, new int[] {0, 1, -1, -1, 0, 2});

    assertThat(trie.size()).isEqualTo(2);
    assertThat(trie.contains(1)).isFalse();
    assertThat(trie.contains(3)).isFalse();
    assertThat(trie.semanticId(2)).containsExactly(0, 2);
    assertThatThrownBy(() -> trie.semanticId(1)).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void build_negativeCode_namesItemAndLevel() {
    assertThatThrownBy(() -> SemanticIdTrie.build(2, new int[] {0, 1, 4, -2}))
        .hasMessage("code 1 of item 1: -2 (expected: >= 0)");
  }

  @Test
  void constraint_randomTriesAndFilters_equalsPrefixesOfTheLegalItems(@TempDir Path dir)
      throws IOException {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    for (int round = 0; round < 3000; round++) {
      int levels = 1 + random.nextInt(9);
      int items = random.nextInt(round % 50 == 0 ? 3000 : 60);
      int fanout =
          switch (round % 4) {
            case 0 -> 1 + random.nextInt(300);
            case 1 -> 1 + random.nextInt(100_000);
            default -> 1 + random.nextInt(4);
          };
      int[] codes = random.ints((long) items * levels, 0, fanout).toArray();
      SemanticIdTrie trie = SemanticIdTrie.build(levels, codes);
      if (round % 10 == 0) {
        trie.write(dir.resolve("trie"));
        trie = SemanticIdTrie.open(dir.resolve("trie"));
      }
      RoaringBitmap legal = new RoaringBitmap();
      double share = random.nextInt(4) == 0 ? 0.01 : random.nextDouble();
      for (int item = 0; item < items; item++) {
        if (random.nextDouble() < share) {
          legal.add(item);
        }
      }
      int[] barred = random.ints(random.nextInt(5), 0, items + 1).toArray();
      RoaringBitmap all = RoaringBitmap.bitmapOfRange(0, items);
      assertThat(walk(trie.constraint(trie.legal()))).isEqualTo(expected(levels, codes, all));
      assertThat(walk(trie.constraint(trie.legal(legal))))
          .isEqualTo(expected(levels, codes, legal));
      RoaringBitmap rest = RoaringBitmap.andNot(legal, RoaringBitmap.bitmapOf(barred));
      assertThat(walk(trie.constraint(trie.legal(legal).without(barred))))
          .isEqualTo(expected(levels, codes, rest));
      for (int item = 0; item < items; item++) {
        assertThat(trie.semanticId(item))
            .isEqualTo(Arrays.copyOfRange(codes, item * levels, (item + 1) * levels));
      }
    }
  }

  @Test
  void constraint_leavesOfAnotherTrie_isRefused() {
    SemanticIdTrie trie = SemanticIdTrie.build(1, new int[] {0});
    LegalLeaves others = SemanticIdTrie.build(1, new int[] {0}).legal();

    assertThatThrownBy(() -> trie.constraint(others)).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void open_anyFlippedBitOrCut_isRefusedByName(@TempDir Path dir) throws IOException {
    Path file = dir.resolve("trie");
    int[] codes = new Random(1).ints(300, 0, 9).toArray();
    SemanticIdTrie.build(3, codes).write(file);
    byte[] whole = Files.readAllBytes(file);
    Random random = new Random(2);
    int refused = 0;
    for (int round = 0; round < 2000; round++) {
      byte[] bytes =
          round % 2 == 0 ? whole.clone() : Arrays.copyOf(whole, random.nextInt(whole.length));
      if (round % 2 == 0) {
        bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
      }
      // A new name each time: what is mapped must not be written.
      Path broken = Files.write(dir.resolve("broken-" + round), bytes);
      try {
        // Padding between sections says nothing, so a bit in it may go unnoticed.
        SemanticIdTrie trie = SemanticIdTrie.open(broken);
        assertThat(trie.semanticId(7)).containsExactly(codes[21], codes[22], codes[23]);
      } catch (IOException e) {
        assertThat(e).hasMessageContaining("broken-" + round);
        refused++;
      }
    }
    assertThat(refused).isGreaterThan(1200);
  }

  @Test
  void read_table_followsTheOrderOfTheItems(@TempDir Path dir) throws IOException {
    Path file = Files.writeString(dir.resolve("ids.tsv"), "b\t4 5\na\t0 256\n");

    assertThat(SemanticIds.read(file, ItemIds.of(List.of("a", "b", "c")), 2))
        .containsExactly(0, 256, 4, 5, -1, -1);
  }

  @Test
  void read_malformedLines_nameTheLine(@TempDir Path dir) throws IOException {
    ItemIds items = ItemIds.of(List.of("a", "b"));
    for (String text : List.of("a 1 2\n", "c\t1 2\n", "a\t1\n", "a\t1 x\n", "a\t1 -2\n")) {
      Path file = Files.writeString(dir.resolve("ids.tsv"), text);
      assertThatThrownBy(() -> SemanticIds.read(file, items, 2))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("ids.tsv:1: ");
    }
    Path file = Files.writeString(dir.resolve("ids.tsv"), "a\t1 2\na\t1 2\n");
    assertThatThrownBy(() -> SemanticIds.read(file, items, 2)).hasMessageContaining("ids.tsv:2: ");
  }

  private static List<String> expected(int levels, int[] codes, RoaringBitmap legal) {
    TreeMap<int[], TreeSet<Integer>> byId = new TreeMap<>(Arrays::compare);
    legal.forEach(
        (int item) ->
            byId.computeIfAbsent(
                    Arrays.copyOfRange(codes, item * levels, (item + 1) * levels),
                    id -> new TreeSet<>())
                .add(item));
    List<String> lines = new ArrayList<>();
    byId.forEach((id, items) -> lines.add(Arrays.toString(id) + " -> " + items));
    return lines;
  }

  private static List<String> walk(Constraint constraint) {
    List<String> lines = new ArrayList<>();
    walk(constraint, constraint.root(), new int[constraint.levels()], 0, lines);
    return lines;
  }

  private static void walk(
      Constraint constraint, long state, int[] prefix, int depth, List<String> lines) {
    if (depth == constraint.levels()) {
      List<Integer> items = new ArrayList<>();
      constraint.forEachItem(state, items::add);
      assertThat(constraint.firstItem(state)).isEqualTo(items.getFirst());
      lines.add(Arrays.toString(prefix) + " -> " + items);
      return;
    }
    Continuations next = new Continuations();
    constraint.expand(depth, state, next);
    // A dead end would show as a state without continuations.
    assertThat(next.size() > 0 || depth == 0).isTrue();
    for (int i = 0; i < next.size(); i++) {
      prefix[depth] = next.code(i);
      walk(constraint, next.state(i), prefix, depth + 1, lines);
    }
  }
}
