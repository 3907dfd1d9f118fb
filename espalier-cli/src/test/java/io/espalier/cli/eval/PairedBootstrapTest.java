package io.espalier.cli.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class PairedBootstrapTest {
  @Test
  void difference_constantGap_hasNoWidth() {
    double[] baseline = {0.1, 0.5, 0.9};
    double[] candidate = Arrays.stream(baseline).map(v -> v + 0.25).toArray();
    PairedBootstrap.Interval interval = PairedBootstrap.difference(candidate, baseline);
    assertThat(interval.value()).isCloseTo(0.25, within(1e-12));
    assertThat(interval.low()).isCloseTo(0.25, within(1e-12));
    assertThat(interval.high()).isCloseTo(0.25, within(1e-12));
  }

  @Test
  void difference_independentHits_intervalIsNearTheNormalOne() {
    SplittableRandom random = new SplittableRandom(7); // seed 7
    int n = 4_000;
    double[] candidate = random.doubles(n).map(v -> v < 0.09 ? 1 : 0).toArray();
    double[] baseline = random.doubles(n).map(v -> v < 0.08 ? 1 : 0).toArray();
    double[] gaps = new double[n];
    Arrays.setAll(gaps, i -> candidate[i] - baseline[i]);
    double mean = Figures.mean(gaps);
    double error = Math.sqrt(Arrays.stream(gaps).map(g -> (g - mean) * (g - mean)).sum() / n / n);
    PairedBootstrap.Interval interval = PairedBootstrap.difference(candidate, baseline);
    assertThat(interval.value()).isCloseTo(mean, within(1e-12));
    assertThat(interval.low()).isCloseTo(mean - 1.96 * error, within(0.15 * error));
    assertThat(interval.high()).isCloseTo(mean + 1.96 * error, within(0.15 * error));
  }

  @Test
  void ratio_twiceTheBaseline_isTwo() {
    PairedBootstrap.Interval interval =
        PairedBootstrap.ratio(new double[] {0.2, 0.8}, new double[] {0.1, 0.4});
    assertThat(interval.value()).isCloseTo(2, within(1e-12));
    assertThat(interval.low()).isCloseTo(2, within(1e-12));
  }

  @Test
  void difference_twoLengths_isRefused() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> PairedBootstrap.difference(new double[2], new double[1]))
        .withMessage("baseline: 1 figures (expected: 2, at least 1, as many as the candidate's)");
  }
}
