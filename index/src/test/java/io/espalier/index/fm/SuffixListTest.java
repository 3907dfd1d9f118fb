package io.espalier.index.fm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.index.trie.Continuations;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.roaringbitmap.RoaringBitmap;

class SuffixListTest {

  @Test
  void none_anyPattern_isNowhere() {
    SuffixList none = SuffixList.none(3);

    assertThat(none.rows()).isZero();
    assertThat(none.find(0)).isEqualTo(FmIndex.NONE);
    assertThat(none.after(new TreeMap<>()).find(2)).isEqualTo(FmIndex.NONE);
  }

  @Test
  void after_tokenBeyondTheVocabulary_namesTokenAndItem() {
    assertThatThrownBy(
            () -> SuffixList.none(3).after(new TreeMap<>(Map.of(7, new int[] {0, 1, 3}))))
        .hasMessage("token 3 of item 7 (expected: 0..2)");
  }

  /** After batches of changes: counts, items and what may follow, by a search through the texts. */
  @Test
  void after_randomChanges_equalsASearchThroughTheTexts() {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    for (int round = 0; round < 400; round++) {
      int tokens = 1 + random.nextInt(round % 2 == 0 ? 3 : 40);
      SuffixList list = SuffixList.none(tokens);
      TreeMap<Integer, int[]> truth = new TreeMap<>();
      for (int batch = 0; batch < 10; batch++) {
        TreeMap<Integer, int[]> changes = new TreeMap<>();
        for (int n = random.nextInt(random.nextInt(4) == 0 ? 40 : 4); n > 0; n--) {
          int item = random.nextInt(50);
          changes.put(item, changed(random, tokens, truth.getOrDefault(item, new int[0])));
        }
        list = list.after(changes);
        changes.forEach(
            (item, text) -> {
              if (text.length == 0) {
                truth.remove(item);
              } else {
                truth.put(item, text);
              }
            });
        assertThat(list.items())
            .isEqualTo(truth.keySet().stream().mapToInt(item -> item).toArray());
        for (int number = 0; number < list.items().length; number++) {
          assertThat(list.text(number)).isEqualTo(truth.get(list.items()[number]));
        }
        for (int search = 0; search < 8; search++) {
          check(list, truth, pattern(random, truth, tokens), random, tokens);
        }
      }
    }
  }

  /** Another text, none, or the same again. */
  private static int[] changed(Random random, int tokens, int[] before) {
    return switch (random.nextInt(4)) {
      case 0 -> new int[0];
      case 1 -> before.clone();
      default -> random.ints(random.nextInt(12), 0, tokens).toArray();
    };
  }

  private static int[] pattern(Random random, NavigableMap<Integer, int[]> texts, int tokens) {
    if (texts.isEmpty() || random.nextInt(4) == 0) {
      return random.ints(random.nextInt(4), 0, tokens).toArray();
    }
    int[] text = texts.ceilingEntry(random.nextInt(texts.lastKey() + 1)).getValue();
    int from = random.nextInt(text.length);
    return Arrays.copyOfRange(text, from, from + random.nextInt(text.length - from + 1));
  }

  private static void check(
      SuffixList list, Map<Integer, int[]> texts, int[] pattern, Random random, int tokens) {
    List<Integer> where = new ArrayList<>();
    TreeMap<Integer, Integer> after = new TreeMap<>();
    texts.forEach(
        (item, text) -> {
          for (int at = 0; at + pattern.length <= text.length; at++) {
            boolean occurs =
                Arrays.equals(text, at, at + pattern.length, pattern, 0, pattern.length);
            // The empty pattern's rows are one a token.
            if (occurs && at < text.length) {
              where.add(item);
              if (at + pattern.length < text.length) {
                after.merge(text[at + pattern.length], 1, Integer::sum);
              }
            }
          }
        });
    long range = list.find(pattern);
    if (pattern.length > 0 && where.isEmpty()) {
      assertThat(range).isEqualTo(FmIndex.NONE);
      return;
    }
    List<Integer> found = new ArrayList<>();
    for (int row = FmIndex.from(range); row < FmIndex.to(range); row++) {
      found.add(list.items()[list.item(row)]);
    }
    assertThat(found).containsExactlyInAnyOrderElementsOf(where);
    int low = random.nextInt(tokens);
    int high = low + random.nextInt(tokens - low + 1);
    Continuations next = new Continuations();
    list.expand(range, pattern.length, low, high, next);
    TreeMap<Integer, Integer> expanded = new TreeMap<>();
    int before = -1;
    for (int i = 0; i < next.size(); i++) {
      assertThat(next.code(i)).isGreaterThan(before);
      before = next.code(i);
      expanded.put(before, FmIndex.count(next.state(i)));
      assertThat(next.state(i)).isEqualTo(list.extend(range, pattern.length, before));
    }
    assertThat(expanded).isEqualTo(new TreeMap<>(after.subMap(low, high)));
    RoaringBitmap allowed = new RoaringBitmap();
    for (int number = 0; number < list.items().length; number++) {
      if (random.nextInt(3) > 0) {
        allowed.add(number);
      }
    }
    List<Integer> legal = new ArrayList<>();
    LegalRows rows = list.legal(allowed);
    for (int row = FmIndex.from(range); row < FmIndex.to(range); row++) {
      row = rows.next(row, FmIndex.to(range));
      if (row < FmIndex.to(range)) {
        legal.add(list.items()[list.item(row)]);
      }
    }
    where.removeIf(item -> !allowed.contains(list.number(item)));
    assertThat(legal).containsExactlyInAnyOrderElementsOf(where);
  }
}
