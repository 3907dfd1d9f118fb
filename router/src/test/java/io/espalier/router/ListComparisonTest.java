package io.espalier.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.espalier.router.ListComparison.Ranked;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ListComparisonTest {
  private static Ranked list(String items) {
    List<String> ids = items.isEmpty() ? List.of() : List.of(items.split(" "));
    return new Ranked(
        ids, IntStream.range(0, ids.size()).mapToObj(rank -> (double) -rank).toList());
  }

  private static ListComparison compare(String one, String other, int k) {
    return ListComparison.of(list(one), list(other), k);
  }

  @Test
  void of_sameLists_areIdentical() {
    assertThat(compare("a b c", "a b c", 10)).isEqualTo(new ListComparison(1, 1, 0, true));
    assertThat(compare("a b c x", "a b c y", 3).identical()).isTrue();
  }

  @Test
  void of_reversed_hasTheSameItemsInTheOppositeOrder() {
    ListComparison reversed = compare("a b c d", "d c b a", 4);
    assertThat(reversed.overlap()).isEqualTo(1);
    assertThat(reversed.correlation()).isEqualTo(-1);
    // a and d differ by 3, b and c by 1.
    assertThat(reversed.scoreDifference()).isEqualTo(2);
    assertThat(reversed.identical()).isFalse();
  }

  @Test
  void of_twoSwapped_countsOnePairOfSix() {
    assertThat(compare("a b c d", "a c b d", 4).correlation()).isCloseTo(4 / 6., within(1e-12));
  }

  @Test
  void of_differentItems_overlapsByTheFirstKAlone() {
    ListComparison half = compare("a b c d", "a x b y", 2);
    assertThat(half.overlap()).isEqualTo(.5);
    // Ranks of all that both have, a and b.
    assertThat(half.correlation()).isEqualTo(1);
    assertThat(compare("a b", "c d", 2))
        .isEqualTo(new ListComparison(0, Double.NaN, Double.NaN, false));
    assertThat(compare("a b c d", "a b", 4).overlap()).isEqualTo(.5);
    assertThat(compare("", "", 4).overlap()).isEqualTo(1);
    assertThat(compare("", "a", 4).overlap()).isZero();
  }

  @Test
  void of_randomLists_isSymmetricAndWithinItsRange() {
    Random random = new Random(5);
    for (int round = 0; round < 500; round++) {
      Ranked one = random(random);
      Ranked other = random(random);
      int k = 1 + random.nextInt(30);
      ListComparison there = ListComparison.of(one, other, k);
      ListComparison back = ListComparison.of(other, one, k);
      assertThat(there.overlap()).isEqualTo(back.overlap()).isBetween(0., 1.);
      assertThat(Double.compare(there.correlation(), back.correlation())).isZero();
      if (!Double.isNaN(there.correlation())) {
        assertThat(there.correlation()).isBetween(-1., 1.);
      }
      if (!Double.isNaN(there.scoreDifference())) {
        assertThat(there.scoreDifference()).isCloseTo(back.scoreDifference(), within(1e-9));
      }
    }
  }

  private static Ranked random(Random random) {
    List<String> ids = new ArrayList<>(IntStream.range(0, 20).mapToObj(n -> "i" + n).toList());
    Collections.shuffle(ids, random);
    List<String> some = ids.subList(0, 2 + random.nextInt(18));
    return new Ranked(some, random.doubles(some.size()).boxed().toList());
  }
}
