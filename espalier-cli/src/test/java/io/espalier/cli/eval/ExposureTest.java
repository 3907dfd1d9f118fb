package io.espalier.cli.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ExposureTest {
  private static List<String> items(int from, int to) {
    return IntStream.range(from, to).mapToObj(i -> "i" + i).toList();
  }

  @Test
  void of_everyItemShownAsOften_isEven() {
    Exposure exposure = new Exposure();
    exposure.add(items(0, 10));
    exposure.add(items(10, 20));
    Exposure.Shares shares = exposure.of(items(0, 20));
    assertThat(shares.shown()).isEqualTo(1);
    assertThat(shares.gini()).isCloseTo(0, within(1e-12));
    // A hundredth of 20 items is one: one of 20 places.
    assertThat(shares.topPercent()).isEqualTo(0.05);
  }

  @Test
  void of_oneItemHasEveryPlace_isAsUnevenAsCanBe() {
    Exposure exposure = new Exposure();
    for (int i = 0; i < 7; i++) {
      exposure.add(List.of("i3"));
    }
    Exposure.Shares shares = exposure.of(items(0, 20));
    assertThat(shares.shown()).isEqualTo(0.05);
    // The most that n items allow is (n − 1) / n.
    assertThat(shares.gini()).isCloseTo(19.0 / 20, within(1e-12));
    assertThat(shares.topPercent()).isEqualTo(1);
  }

  @Test
  void of_itemsBehindTheTenth_areListedButNotShown() {
    Exposure exposure = new Exposure();
    exposure.add(items(0, 15));
    Exposure.Shares shares = exposure.of(items(0, 20));
    assertThat(shares.shown()).isEqualTo(0.5);
    assertThat(shares.listed()).isEqualTo(0.75);
  }

  @Test
  void of_itemsOfNoCatalogue_doNotCount() {
    Exposure exposure = new Exposure();
    exposure.add(List.of("elsewhere", "i0"));
    assertThat(exposure.of(items(0, 2))).isEqualTo(new Exposure.Shares(0.5, 0.5, 0.5, 1));
  }

  @Test
  void of_noList_isNothing() {
    assertThat(new Exposure().of(items(0, 3))).isEqualTo(new Exposure.Shares(0, 0, 0, 0));
  }

  @Test
  void of_randomCounts_giniIsTheMeanDifferenceOfPairs() {
    Random random = new Random(7);
    for (int round = 0; round < 1000; round++) {
      int n = 1 + random.nextInt(12);
      int[] counts = new int[n];
      Exposure exposure = new Exposure();
      List<String> shown = new ArrayList<>();
      for (int i = 0; i < n; i++) {
        counts[i] = random.nextInt(5);
        for (int time = 0; time < counts[i]; time++) {
          shown.add("i" + i);
        }
      }
      shown.forEach(exposure::show);
      double differences = 0;
      for (int a : counts) {
        for (int b : counts) {
          differences += Math.abs(a - b);
        }
      }
      double expected = shown.isEmpty() ? 0 : differences / (2.0 * n * shown.size());
      assertThat(exposure.of(items(0, n)).gini()).isCloseTo(expected, within(1e-12));
    }
  }
}
