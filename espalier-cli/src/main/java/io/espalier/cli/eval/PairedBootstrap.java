package io.espalier.cli.eval;

import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * The paired bootstrap: how sure is it that one system beats another on the same queries.
 *
 * <p>Queries (or users) are drawn with replacement, each with both systems' figures, and the
 * statistic is computed on every draw; its percentiles are the interval (Efron and Tibshirani 1993,
 * chapter 13). Seeded: the same input gives the same interval.
 */
final class PairedBootstrap {
  /** The seed of every interval, printed beside it. */
  static final long SEED = 20251123L;

  private static final int DRAWS = 2_000;

  private PairedBootstrap() {}

  /**
   * A statistic with its interval.
   *
   * @param value on the sample itself
   * @param low 2.5 % percentile over the draws
   * @param high 97.5 % percentile over the draws
   */
  record Interval(double value, double low, double high) {}

  /** mean(candidate) − mean(baseline). */
  static Interval difference(double[] candidate, double[] baseline) {
    return interval(candidate, baseline, (a, b) -> a - b);
  }

  /** mean(candidate) ÷ mean(baseline). */
  static Interval ratio(double[] candidate, double[] baseline) {
    return interval(candidate, baseline, (a, b) -> a / b);
  }

  private static Interval interval(double[] candidate, double[] baseline, Statistic statistic) {
    int n = candidate.length;
    if (n == 0 || n != baseline.length) {
      throw new IllegalArgumentException(
          "baseline: "
              + baseline.length
              + " figures (expected: "
              + n
              + ", at least 1, as many as the candidate's)");
    }
    SplittableRandom random = new SplittableRandom(SEED);
    double[] draws = new double[DRAWS];
    for (int draw = 0; draw < DRAWS; draw++) {
      double a = 0;
      double b = 0;
      for (int i = 0; i < n; i++) {
        int picked = random.nextInt(n);
        a += candidate[picked];
        b += baseline[picked];
      }
      draws[draw] = statistic.of(a / n, b / n);
    }
    Arrays.sort(draws);
    return new Interval(
        statistic.of(Figures.mean(candidate), Figures.mean(baseline)),
        draws[(int) Math.round(0.025 * (DRAWS - 1))],
        draws[(int) Math.round(0.975 * (DRAWS - 1))]);
  }

  private interface Statistic {
    double of(double candidateMean, double baselineMean);
  }
}
