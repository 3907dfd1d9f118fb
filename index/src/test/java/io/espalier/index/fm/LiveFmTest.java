package io.espalier.index.fm;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.index.trie.Constraint;
import io.espalier.index.trie.Continuations;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.roaringbitmap.RoaringBitmap;

class LiveFmTest {
  private static final int END = 0;
  private static final int START = 1;

  /**
   * Snapshot, changes, filter and excluded items allow the n-grams of the legal items, as found in
   * their texts, and end in those items.
   */
  @Test
  void constraint_randomChangesAndFilters_equalsTheNgramsOfTheLegalItems() {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    for (int round = 0; round < 2000; round++) {
      int tokens = 3 + random.nextInt(5);
      int[][] texts = new int[random.nextInt(20)][];
      for (int item = 0; item < texts.length; item++) {
        texts[item] = text(random, tokens);
      }
      LiveFm live = LiveFm.of(tokens, texts, 1 + random.nextInt(4));
      Map<Integer, int[]> now = new TreeMap<>();
      for (int item = 0; item < texts.length; item++) {
        now.put(item, texts[item]);
      }
      for (int batch = random.nextInt(3); batch > 0; batch--) {
        Map<Integer, int[]> changes = new HashMap<>();
        for (int change = random.nextInt(8); change > 0; change--) {
          changes.put(
              random.nextInt(texts.length + 4),
              random.nextBoolean() ? text(random, tokens) : new int[0]);
        }
        live = live.after(changes);
        now.putAll(changes);
      }
      RoaringBitmap filter = new RoaringBitmap();
      double share = random.nextDouble();
      for (int item = 0; item < texts.length + 4; item++) {
        if (random.nextDouble() < share) {
          filter.add(item);
        }
      }
      boolean filtered = random.nextBoolean();
      int[] excluded = random.ints(random.nextInt(4), 0, texts.length + 4).distinct().toArray();
      LiveFm.Legal legal =
          live.legal(
              filtered ? live.snapshot().legal(filter) : live.snapshot().legal(),
              item -> !filtered || filter.contains(item),
              excluded);
      TreeMap<Integer, int[]> legalTexts = new TreeMap<>();
      now.forEach(
          (item, text) -> {
            if ((!filtered || filter.contains(item))
                && Arrays.stream(excluded).noneMatch(e -> e == item)) {
              legalTexts.put(item, text);
            }
          });
      for (Ngrams ngrams :
          List.of(
              new Ngrams(START, 2, tokens, END, 4),
              new Ngrams(START, 2, tokens, -1, 3),
              new Ngrams(-1, 1, tokens, END, 3))) {
        assertThat(walk(legal.constraint(ngrams), ngrams, legal))
            .isEqualTo(expected(legalTexts, ngrams));
      }
      for (int search = 0; search < 4; search++) {
        int[] ngram = random.ints(1 + random.nextInt(3), 0, tokens).toArray();
        checkBudget(legal, legalTexts, ngram, random.nextInt(6));
      }
    }
  }

  /** One legal item among many that an n-gram occurs in as well: it is found at every budget. */
  @Test
  void forEachOccurrence_fewerRowsThanIllegalOnes_findsTheLegalOnes() {
    int[][] texts = new int[200][];
    for (int item = 0; item < texts.length; item++) {
      texts[item] = new int[] {item + 3, 2, 1};
    }
    LiveFm live = LiveFm.of(texts.length + 3, texts, 4);
    LiveFm changed = live.after(Map.of(7, texts[7], 150, texts[150]));
    for (int item = 0; item < texts.length; item++) {
      RoaringBitmap only = RoaringBitmap.bitmapOf(item);
      for (LiveFm now : List.of(live, changed)) {
        List<Integer> found = new ArrayList<>();
        now.legal(now.snapshot().legal(only), only::contains, new int[0])
            .forEachOccurrence(new int[] {2, 1}, 1, found::add);
        assertThat(found).containsExactly(item);
      }
    }
  }

  /** Within a budget as many rows as the legal items' own texts have, each a legal occurrence. */
  private static void checkBudget(
      LiveFm.Legal legal, Map<Integer, int[]> legalTexts, int[] ngram, int most) {
    Map<Integer, Integer> occurrences = new TreeMap<>();
    legalTexts.forEach(
        (item, text) -> {
          for (int at = 0; at + ngram.length <= text.length; at++) {
            if (Arrays.equals(text, at, at + ngram.length, ngram, 0, ngram.length)) {
              occurrences.merge(item, 1, Integer::sum);
            }
          }
        });
    Map<Integer, Integer> given = new TreeMap<>();
    legal.forEachOccurrence(ngram, most, item -> given.merge(item, 1, Integer::sum));
    int all = occurrences.values().stream().mapToInt(n -> n).sum();
    assertThat(given.values().stream().mapToInt(n -> n).sum()).isEqualTo(Math.min(most, all));
    given.forEach(
        (item, times) -> assertThat(times).isLessThanOrEqualTo(occurrences.getOrDefault(item, 0)));
  }

  private static int[] text(Random random, int tokens) {
    return random.ints(random.nextInt(9), 0, tokens).toArray();
  }

  private static Map<String, String> expected(Map<Integer, int[]> texts, Ngrams ngrams) {
    TreeMap<String, TreeSet<Integer>> found = new TreeMap<>();
    texts.forEach(
        (item, text) -> {
          for (int from = 0; from < text.length; from++) {
            int at = from;
            if (ngrams.start() >= 0 && text[at++] != ngrams.start()) {
              continue;
            }
            int first = at;
            for (; at < text.length && at - from < ngrams.most(); at++) {
              boolean end = text[at] == ngrams.end() && at > first;
              boolean within = text[at] >= ngrams.low() && text[at] < ngrams.high();
              if (end || within) {
                String ngram = Arrays.toString(Arrays.copyOfRange(text, first, at + 1));
                found.computeIfAbsent(ngram, n -> new TreeSet<>()).add(item);
              }
              if (!within) {
                break;
              }
            }
          }
        });
    Map<String, String> printed = new TreeMap<>();
    found.forEach((ngram, items) -> printed.put(ngram, items.toString()));
    return printed;
  }

  private static Map<String, String> walk(
      Constraint constraint, Ngrams ngrams, LiveFm.Legal legal) {
    Map<String, String> found = new TreeMap<>();
    walk(constraint, ngrams, constraint.root(), List.of(), legal, found);
    return found;
  }

  private static void walk(
      Constraint constraint,
      Ngrams ngrams,
      long state,
      List<Integer> before,
      LiveFm.Legal legal,
      Map<String, String> found) {
    if (before.size() == constraint.levels()) {
      return;
    }
    Continuations next = new Continuations();
    constraint.expand(before.size(), state, next);
    for (int i = 0; i < next.size(); i++) {
      List<Integer> ngram = new ArrayList<>(before);
      ngram.add(next.code(i));
      TreeSet<Integer> items = new TreeSet<>();
      constraint.forEachItem(next.state(i), items::add);
      assertThat(constraint.firstItem(next.state(i))).isEqualTo(items.first());
      TreeSet<Integer> located = new TreeSet<>();
      legal.forEachOccurrence(withStart(ngrams, ngram), Integer.MAX_VALUE, located::add);
      assertThat(located).isEqualTo(items);
      found.put(ngram.toString(), items.toString());
      if (next.code(i) != ngrams.end()) {
        walk(constraint, ngrams, next.state(i), ngram, legal, found);
      }
    }
    for (int token = 0; token < ngrams.high(); token++) {
      long state1 = constraint.follow(before.size(), state, token);
      int wanted = token;
      assertThat(state1 != Constraint.NONE)
          .isEqualTo(
              java.util.stream.IntStream.range(0, next.size())
                  .anyMatch(i -> next.code(i) == wanted));
    }
  }

  private static int[] withStart(Ngrams ngrams, List<Integer> ngram) {
    List<Integer> whole = new ArrayList<>(ngram);
    if (ngrams.start() >= 0) {
      whole.addFirst(ngrams.start());
    }
    return whole.stream().mapToInt(token -> token).toArray();
  }
}
