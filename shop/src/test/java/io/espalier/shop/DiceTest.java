package io.espalier.shop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class DiceTest {

  @Test
  void nextLong_seedZero_isSplitMix64() {
    Dice dice = new Dice(0);

    assertThat(dice.nextLong()).isEqualTo(0xE220A8397B1DCDAFL);
    assertThat(dice.nextLong()).isEqualTo(0x6E789E6AA1B965F4L);
  }

  @Test
  void split_afterDraws_givesTheSameStream() {
    Dice fresh = new Dice(5);
    Dice used = new Dice(5);
    used.nextLong();

    assertThat(used.split("a").nextLong()).isEqualTo(fresh.split("a").nextLong());
    assertThat(fresh.split("a").nextLong()).isNotEqualTo(fresh.split("b").nextLong());
  }

  @Test
  void normal_manyDraws_hasMeanZeroAndVarianceOne() {
    Dice dice = new Dice(11);
    double sum = 0;
    double squares = 0;
    int n = 100_000;
    for (int i = 0; i < n; i++) {
      double x = dice.normal();
      sum += x;
      squares += x * x;
    }

    assertThat(sum / n).isCloseTo(0, within(0.02));
    assertThat(squares / n).isCloseTo(1, within(0.03));
  }

  @Test
  void weighted_zeroWeights_areNeverDrawn() {
    Dice dice = new Dice(3);
    int[] counts = new int[4];
    for (int i = 0; i < 10_000; i++) {
      counts[dice.weighted(new double[] {0, 3, 0, 1})]++;
    }

    assertThat(counts[0]).isZero();
    assertThat(counts[2]).isZero();
    assertThat((double) counts[1] / counts[3]).isCloseTo(3, within(0.3));
    assertThat(dice.weighted(new double[] {0, 0})).isEqualTo(-1);
  }

  @Test
  void permutation_anySize_holdsEveryNumberOnce() {
    assertThat(new Dice(1).permutation(100)).doesNotHaveDuplicates().hasSize(100).contains(0, 99);
  }
}
