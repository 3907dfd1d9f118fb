package io.espalier.loadtest.driver;

import java.time.Duration;
import java.util.Arrays;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.function.DoubleUnaryOperator;

/** When requests are due: a Poisson process, the same for the same seed. */
public final class Arrivals {
  private Arrivals() {}

  /**
   * The arrivals of a stretch of time.
   *
   * @param rate requests a second, on average
   * @return nanoseconds since the start, rising
   */
  public static long[] poisson(double rate, Duration length, long seed) {
    if (!(rate > 0) || rate > 1e6) {
      throw new IllegalArgumentException("rate: " + rate + " (expected: > 0, at most 1000000)");
    }
    Random random = new Random(seed);
    double end = length.toNanos();
    long[] arrivals = new long[16];
    int count = 0;
    for (double at = gap(rate, random); at < end; at += gap(rate, random)) {
      if (count == arrivals.length) {
        arrivals = Arrays.copyOf(arrivals, 2 * count);
      }
      arrivals[count++] = (long) at;
    }
    return Arrays.copyOf(arrivals, count);
  }

  /**
   * The arrivals of a rate that changes: those of its highest, of which some are left out
   * (thinning: Lewis and Shedler, 1979). A rate that is always the highest has the very arrivals of
   * that rate.
   *
   * @param rate requests a second, by seconds since the start
   * @param highest what it is at most
   * @return nanoseconds since the start, rising
   */
  public static long[] poisson(
      DoubleUnaryOperator rate, double highest, Duration length, long seed) {
    // Another kind of generator than the gaps': whatever its seed, a second Random may follow them.
    SplittableRandom random = new SplittableRandom(seed);
    return Arrays.stream(poisson(highest, length, seed))
        .filter(
            at -> random.nextDouble() * highest < checked(rate.applyAsDouble(at / 1e9), highest))
        .toArray();
  }

  private static double checked(double rate, double highest) {
    if (!(rate >= 0 && rate <= highest)) {
      throw new IllegalArgumentException("rate: " + rate + " (expected: 0.." + highest + ")");
    }
    return rate;
  }

  private static double gap(double rate, Random random) {
    return -Math.log1p(-random.nextDouble()) * 1e9 / rate;
  }
}
