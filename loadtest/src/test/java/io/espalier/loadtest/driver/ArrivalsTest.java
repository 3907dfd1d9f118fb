package io.espalier.loadtest.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.time.Duration;
import java.util.Arrays;
import java.util.Random;
import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.api.Test;

class ArrivalsTest {
  private static final Duration MINUTE = Duration.ofMinutes(1);

  @Test
  void poisson_sameSeed_isTheSame() {
    assertThat(Arrivals.poisson(100, MINUTE, 7)).isEqualTo(Arrivals.poisson(100, MINUTE, 7));
    assertThat(Arrivals.poisson(100, MINUTE, 7)).isNotEqualTo(Arrivals.poisson(100, MINUTE, 8));
  }

  @Test
  void poisson_thousandsOfSeeds_countsHaveTheMeanAndVarianceOfThatRate() {
    long seed = new Random().nextLong();
    System.out.println("seed: " + seed);
    int runs = 4000;
    double rate = 50;
    double[] counts = new double[runs];
    for (int run = 0; run < runs; run++) {
      long[] arrivals = Arrivals.poisson(rate, Duration.ofSeconds(2), seed + run);
      assertThat(arrivals).isSorted();
      assertThat(Arrays.stream(arrivals)).allMatch(at -> at >= 0 && at < 2_000_000_000);
      counts[run] = arrivals.length;
    }
    double mean = Arrays.stream(counts).average().orElseThrow();
    double variance =
        Arrays.stream(counts).map(count -> (count - mean) * (count - mean)).sum() / (runs - 1);
    // Six standard errors: of a mean sqrt(100 / 4000), of a variance 100 · sqrt(2 / 4000).
    assertThat(mean).isCloseTo(100, within(.95));
    assertThat(variance).isCloseTo(100, within(13.5));
  }

  @Test
  void poisson_gaps_areExponential() {
    long[] arrivals = Arrivals.poisson(1000, Duration.ofMinutes(5), 3);
    double[] gaps = new double[arrivals.length - 1];
    for (int i = 0; i < gaps.length; i++) {
      gaps[i] = (arrivals[i + 1] - arrivals[i]) / 1e6;
    }
    assertExponential(gaps);
  }

  @Test
  void poisson_thinned_firstArrivalsOfManySeedsAreExponential() {
    Random seeds = new Random(5);
    for (double share : new double[] {.1, 1. / 3, .6}) {
      double[] gaps = new double[4000];
      for (int i = 0; i < gaps.length; i++) {
        double rate = 1000 * share;
        long[] arrivals =
            Arrivals.poisson(at -> rate, 1000, Duration.ofSeconds(1), seeds.nextLong());
        gaps[i] = arrivals[0] * rate / 1e9;
      }
      assertExponential(gaps);
    }
  }

  /** Of mean 1. */
  private static void assertExponential(double[] gaps) {
    Arrays.sort(gaps);
    // Kolmogorov and Smirnov's distance; 1.95 / sqrt(n) is passed once in a thousand seeds.
    double distance = 0;
    for (int i = 0; i < gaps.length; i++) {
      double expected = -Math.expm1(-gaps[i]);
      distance = Math.max(distance, Math.abs(expected - (i + .5) / gaps.length));
    }
    assertThat(distance).isLessThan(1.95 / Math.sqrt(gaps.length));
  }

  @Test
  void poisson_rateThatIsTheHighestAllTheWhile_isThatRates() {
    assertThat(Arrivals.poisson(at -> 100, 100, MINUTE, 7))
        .isEqualTo(Arrivals.poisson(100, MINUTE, 7));
  }

  @Test
  void poisson_thousandsOfSeeds_countsOfEachPartHaveTheMeanAndVarianceOfItsRate() {
    long seed = new Random().nextLong();
    System.out.println("seed: " + seed);
    int runs = 4000;
    // 40 a second, then a rise to 120 over the next second: 40 and 80 on average.
    DoubleUnaryOperator rate = at -> at < 1 ? 40 : 40 + 80 * (at - 1);
    double[][] counts = new double[2][runs];
    double covariance = 0;
    for (int run = 0; run < runs; run++) {
      long[] arrivals = Arrivals.poisson(rate, 120, Duration.ofSeconds(2), seed + run);
      assertThat(arrivals).isSorted();
      counts[0][run] = (double) Arrays.stream(arrivals).filter(at -> at < 1_000_000_000).count();
      counts[1][run] = arrivals.length - counts[0][run];
      covariance += (counts[0][run] - 40) * (counts[1][run] - 80) / runs;
    }
    double[] expected = {40, 80};
    for (int part = 0; part < 2; part++) {
      double mean = Arrays.stream(counts[part]).average().orElseThrow();
      double variance =
          Arrays.stream(counts[part]).map(count -> (count - mean) * (count - mean)).sum()
              / (runs - 1);
      // Six standard errors, by a normal variable of that variance.
      assertThat(mean).isCloseTo(expected[part], within(6 * Math.sqrt(expected[part] / runs)));
      assertThat(variance)
          .isCloseTo(expected[part], within(6 * expected[part] * Math.sqrt(2. / runs)));
    }
    assertThat(covariance).isCloseTo(0, within(6 * Math.sqrt(40 * 80. / runs)));
  }

  @Test
  void poisson_rateThatRises_timesAreDistributedAsItsIntegral() {
    long[] arrivals = Arrivals.poisson(at -> 20 * at, 6000, Duration.ofMinutes(5), 3);
    double distance = 0;
    for (int i = 0; i < arrivals.length; i++) {
      double share = arrivals[i] / 300e9;
      distance = Math.max(distance, Math.abs(share * share - (i + .5) / arrivals.length));
    }
    assertThat(arrivals.length).isBetween(890_000, 910_000);
    assertThat(distance).isLessThan(1.95 / Math.sqrt(arrivals.length));
  }

  @Test
  void poisson_rateAboveTheHighest_isRefused() {
    assertThatThrownBy(() -> Arrivals.poisson(at -> 101, 100, MINUTE, 1))
        .hasMessage("rate: 101.0 (expected: 0..100.0)");
    assertThatThrownBy(() -> Arrivals.poisson(at -> -1, 100, MINUTE, 1))
        .hasMessage("rate: -1.0 (expected: 0..100.0)");
  }

  @Test
  void poisson_rateOfNothing_isRefused() {
    assertThatThrownBy(() -> Arrivals.poisson(0, MINUTE, 1))
        .hasMessageContaining("rate: 0.0 (expected: > 0");
    assertThatThrownBy(() -> Arrivals.poisson(Double.NaN, MINUTE, 1))
        .hasMessageContaining("rate: NaN");
  }
}
