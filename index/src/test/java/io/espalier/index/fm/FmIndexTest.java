package io.espalier.index.fm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.index.trie.Continuations;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.roaringbitmap.RoaringBitmap;

class FmIndexTest {

  @Test
  void build_noItems_findsNothing() {
    FmIndex index = FmIndex.build(5, new int[0], new int[1], 1);

    assertThat(index.items()).isZero();
    assertThat(index.size()).isZero();
    assertThat(index.find(0)).isEqualTo(FmIndex.NONE);
    assertThat(index.find(7)).isEqualTo(FmIndex.NONE);
  }

  @Test
  void build_tokenBeyondTheVocabulary_namesTokenAndItem() {
    assertThatThrownBy(() -> FmIndex.build(3, new int[] {0, 1, 3}, new int[] {0, 2, 3}, 4))
        .hasMessage("token 3 of item 1 (expected: 0..2)");
  }

  @Test
  void open_otherByte_namesTheSection(@TempDir Path dir) throws IOException {
    Path file = dir.resolve("texts");
    FmIndex.build(3, new int[] {0, 1, 2}, new int[] {0, 2, 3}, 4).write(file);
    byte[] bytes = Files.readAllBytes(file);
    bytes[4096] ^= 1;
    Files.write(file, bytes);

    assertThatThrownBy(() -> FmIndex.open(file)).hasMessageContaining("shape: wrong checksum");
  }

  /** Counts, places, items and what may follow, beside a search through the texts themselves. */
  @Test
  void find_randomTexts_equalsASearchThroughThem(@TempDir Path dir) throws IOException {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    for (int round = 0; round < 3000; round++) {
      int tokens = 1 + random.nextInt(round % 200 == 0 ? 70_000 : round % 2 == 0 ? 3 : 40);
      int[] begins = new int[1 + random.nextInt(round % 100 == 0 ? 200 : 12)];
      for (int item = 1; item < begins.length; item++) {
        begins[item] = begins[item - 1] + random.nextInt(15);
      }
      int[] text = random.ints(begins[begins.length - 1], 0, tokens).toArray();
      FmIndex index = FmIndex.build(tokens, text, begins, 1 + random.nextInt(20));
      if (round % 10 == 0) {
        index.write(dir.resolve("texts"));
        index = FmIndex.open(dir.resolve("texts"));
      }

      assertThat(index.items()).isEqualTo(begins.length - 1);
      for (int item = 0; item < index.items(); item++) {
        for (int i = 0; i < index.length(item); i++) {
          assertThat(index.token(item, i)).isEqualTo(text[begins[item] + i]);
        }
      }
      for (int search = 0; search < 8; search++) {
        check(index, text, begins, pattern(random, text, tokens), random);
      }
    }
  }

  /** Narrow filters find their items' rows one by one, broad ones look at all rows. */
  @Test
  void legal_randomFilters_isTheRowsOfTheirItems() {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    int narrow = 0;
    for (int round = 0; round < 300; round++) {
      int tokens = 1 + random.nextInt(round % 2 == 0 ? 4 : 300);
      int[] begins = new int[1 + random.nextInt(400)];
      for (int item = 1; item < begins.length; item++) {
        begins[item] = begins[item - 1] + random.nextInt(random.nextBoolean() ? 5 : 60);
      }
      int[] text = random.ints(begins[begins.length - 1], 0, tokens).toArray();
      FmIndex index = FmIndex.build(tokens, text, begins, 1 + random.nextInt(20));
      long rows = FmIndex.count(index.all());
      for (int search = 0; search < 10; search++) {
        RoaringBitmap items =
            RoaringBitmap.bitmapOf(
                random.ints(random.nextInt(search < 8 ? 4 : 300), 0, begins.length + 3).toArray());
        LegalRows legal = index.legal(items);
        int at = -1;
        int of = 0;
        for (int row = 0; row < rows; row++) {
          if (index.item(row) >= 0 && items.contains(index.item(row))) {
            at = legal.next(at + 1, (int) rows);
            assertThat(at).isEqualTo(row);
            of++;
          }
        }
        assertThat(legal.next(at + 1, (int) rows)).isEqualTo((int) rows);
        if (of <= rows / 1024) {
          assertThat(legal.bytes()).isEqualTo((long) of * Integer.BYTES);
          narrow += of > 0 ? 1 : 0;
        }
        int from = random.nextInt((int) rows);
        int to = from + random.nextInt((int) rows - from);
        assertThat(legal.anyIn(from, to)).isEqualTo(legal.next(from, to) < to);
      }
    }
    assertThat(narrow).isGreaterThan(30);
  }

  private static int[] pattern(Random random, int[] text, int tokens) {
    int length = random.nextInt(6);
    if (random.nextInt(4) == 0 || text.length < length) {
      return random.ints(length, 0, tokens).toArray();
    }
    int at = random.nextInt(text.length - length + 1);
    return Arrays.copyOfRange(text, at, at + length);
  }

  private static void check(FmIndex index, int[] text, int[] begins, int[] pattern, Random random) {
    List<Integer> ends = new ArrayList<>();
    TreeMap<Integer, Integer> after = new TreeMap<>();
    int occurrences = 0;
    for (int item = 0; item + 1 < begins.length; item++) {
      for (int at = begins[item]; at + pattern.length <= begins[item + 1]; at++) {
        if (Arrays.equals(text, at, at + pattern.length, pattern, 0, pattern.length)) {
          occurrences++;
          ends.add(at + pattern.length - 1);
          if (at + pattern.length < begins[item + 1]) {
            after.merge(text[at + pattern.length], 1, Integer::sum);
          }
        }
      }
    }
    long range = index.find(pattern);
    if (pattern.length > 0) {
      assertThat(range == FmIndex.NONE ? 0 : FmIndex.count(range)).isEqualTo(occurrences);
      List<Integer> located = new ArrayList<>();
      for (int row = FmIndex.from(range); range != FmIndex.NONE && row < FmIndex.to(range); row++) {
        int end = index.locate(row);
        located.add(end);
        int item = index.item(row);
        assertThat(end).isBetween(begins[item], begins[item + 1] - 1);
      }
      assertThat(located).containsExactlyInAnyOrderElementsOf(ends);
    }
    if (range != FmIndex.NONE) {
      int low = random.nextInt(index.tokens());
      int high = low + random.nextInt(index.tokens() - low + 1);
      Continuations next = new Continuations();
      index.expand(range, low, high, next);
      TreeMap<Integer, Integer> found = new TreeMap<>();
      int before = -1;
      for (int i = 0; i < next.size(); i++) {
        assertThat(next.code(i)).isGreaterThan(before);
        before = next.code(i);
        found.put(before, FmIndex.count(next.state(i)));
        assertThat(next.state(i)).isEqualTo(index.extend(range, before));
      }
      assertThat(found).isEqualTo(new TreeMap<>(after.subMap(low, high)));
    }
  }
}
