package io.espalier.loadtest.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Random;
import java.util.stream.LongStream;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;

class LatenciesTest {
  @Test
  void quantile_everyRank_isItsValue() {
    Latencies latencies = Latencies.of(LongStream.rangeClosed(1, 1000).map(n -> n * 1000));

    assertThat(latencies.count()).isEqualTo(1000);
    assertThat(latencies.quantile(.5)).isCloseTo(500_000, Percentage.withPercentage(.1));
    assertThat(latencies.quantile(.99)).isCloseTo(990_000, Percentage.withPercentage(.1));
    assertThat(latencies.quantile(1)).isCloseTo(1_000_000, Percentage.withPercentage(.1));
    assertThat(latencies.max()).isCloseTo(1_000_000, Percentage.withPercentage(.1));
    // Ranks 990 - 1.96 · sqrt(9.9) and 990 + 1.96 · sqrt(9.9) + 1.
    assertThat(latencies.interval(.99).low()).isCloseTo(983_000, Percentage.withPercentage(.1));
    assertThat(latencies.interval(.99).high()).isCloseTo(998_000, Percentage.withPercentage(.1));
  }

  @Test
  void interval_tooFewToTell_hasNoUpperEnd() {
    assertThat(Latencies.of(LongStream.rangeClosed(1, 100)).interval(.99).high())
        .isEqualTo(Latencies.Interval.UNKNOWN);
    assertThat(Latencies.of(LongStream.empty()).quantile(.99)).isZero();
  }

  @Test
  void interval_thousandsOfSamples_holdsTheTrueQuantileNineteenTimesInTwenty() {
    long seed = new Random().nextLong();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    double truth = Math.log(100) * 1e6;
    int samples = 3000;
    int held = 0;
    for (int sample = 0; sample < samples; sample++) {
      Latencies.Interval interval =
          Latencies.of(
                  LongStream.generate(() -> (long) (-Math.log1p(-random.nextDouble()) * 1e6))
                      .limit(2000))
              .interval(.99);
      // The histogram keeps three digits.
      if (interval.low() <= truth * 1.001 && truth <= interval.high() * 1.001) {
        held++;
      }
    }
    assertThat(held / (double) samples).isCloseTo(.957, within(.025));
  }
}
