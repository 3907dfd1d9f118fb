package io.espalier.index.filter;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.roaringbitmap.RoaringBitmap;

class FilterCacheTest {
  private static final long MOST = 100_000;

  @Test
  void put_randomBitmaps_staysWithinItsBytesAndKnowsWhatWasAskedForLast() {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    FilterCache cache = new FilterCache(MOST);
    for (int n = 0; n < 20_000; n++) {
      ItemFilter filter = filter(random.nextInt(200));
      RoaringBitmap bitmap = bitmap(random, random.nextInt(3000));
      cache.put(filter, bitmap);
      assertThat(cache.get(filter)).isSameAs(bitmap);
      assertThat(cache.bytes()).isBetween((long) bitmap.getSizeInBytes(), MOST);
    }
  }

  @Test
  void put_moreThanFits_dropsWhatWasAskedForLongestAgo() {
    Random random = new Random(1);
    FilterCache cache = new FilterCache(MOST);
    // Some 40 kB each.
    for (int n = 0; n < 2; n++) {
      cache.put(filter(n), bitmap(random, 20_000));
    }
    assertThat(cache.get(filter(0))).isNotNull();

    cache.put(filter(2), bitmap(random, 20_000));

    assertThat(cache.get(filter(0))).isNotNull();
    assertThat(cache.get(filter(1))).isNull();
    assertThat(cache.get(filter(2))).isNotNull();
    assertThat(cache.last(1)).containsExactly(filter(2));
    assertThat(cache.last(9)).containsExactly(filter(0), filter(2));
  }

  @Test
  void put_largerThanAllOrOfTooManyValues_isNotKept() {
    FilterCache cache = new FilterCache(MOST);
    cache.put(filter(0), bitmap(new Random(1), 100_000));
    Set<String> ids = IntStream.range(0, 257).mapToObj(i -> "i" + i).collect(Collectors.toSet());
    cache.put(new ItemFilter.Ids(ids), new RoaringBitmap());

    assertThat(cache.get(filter(0))).isNull();
    assertThat(cache.get(new ItemFilter.Ids(ids))).isNull();
    assertThat(cache.bytes()).isZero();
  }

  private static ItemFilter filter(int number) {
    return new ItemFilter.Equals("a", AttributeValue.of(number));
  }

  /** So many scattered items, of about two bytes each. */
  private static RoaringBitmap bitmap(Random random, int items) {
    return RoaringBitmap.bitmapOf(random.ints(items, 0, 10_000_000).toArray());
  }
}
