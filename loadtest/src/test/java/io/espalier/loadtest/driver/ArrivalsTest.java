package io.espalier.loadtest.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.time.Duration;
import java.util.Arrays;
import java.util.Random;
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
  void poisson_rateOfNothing_isRefused() {
    assertThatThrownBy(() -> Arrivals.poisson(0, MINUTE, 1))
        .hasMessageContaining("rate: 0.0 (expected: > 0");
    assertThatThrownBy(() -> Arrivals.poisson(Double.NaN, MINUTE, 1))
        .hasMessageContaining("rate: NaN");
  }
}
