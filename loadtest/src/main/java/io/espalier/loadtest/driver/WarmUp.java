package io.espalier.loadtest.driver;

import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Windows of load that are thrown away, until three in a row agree on a quantile: until their
 * intervals of it have a value in common, and all of them have an upper end.
 */
public final class WarmUp {
  private static final int AGREEING = 3;
  // A window of a Poisson process holds fewer than are due on average.
  private static final double SPREAD = 2;
  private static final double[] QUANTILES = {.99, .95, .9, .5};

  private WarmUp() {}

  /** One window. */
  @FunctionalInterface
  public interface Window {
    /** Sends its requests. */
    Requests run() throws InterruptedException;
  }

  /** How many requests a window needs on average, so that it tells a quantile. */
  public static int requests(double quantile) {
    int least = 1;
    while (!Latencies.tells(quantile, least)) {
      least++;
    }
    // The most on average of which so few may come.
    double root = (SPREAD + Math.sqrt(SPREAD * SPREAD + 4. * least)) / 2;
    return (int) Math.ceil(root * root);
  }

  /** The highest quantile that windows tell which hold so many requests on average. */
  public static double quantile(double requests) {
    for (double quantile : QUANTILES) {
      if (requests >= requests(quantile)) {
        return quantile;
      }
    }
    return QUANTILES[QUANTILES.length - 1];
  }

  /**
   * Runs windows.
   *
   * @param quantile of which
   * @return how many it took
   * @throws IllegalStateException when so many were not enough
   */
  public static int run(Window window, double quantile, int most) throws InterruptedException {
    Deque<Latencies.Interval> last = new ArrayDeque<>();
    for (int windows = 1; windows <= most; windows++) {
      if (last.size() == AGREEING) {
        last.removeFirst();
      }
      last.addLast(window.run().latencies().interval(quantile));
      if (last.size() == AGREEING && agree(last)) {
        return windows;
      }
    }
    throw new IllegalStateException(
        "p%.0f: no three of %d windows in a row agree; the last: %s"
            .formatted(100 * quantile, most, last.stream().map(WarmUp::millis).toList()));
  }

  private static boolean agree(Deque<Latencies.Interval> intervals) {
    long highestLow = intervals.stream().mapToLong(Latencies.Interval::low).max().orElseThrow();
    long lowestHigh = intervals.stream().mapToLong(Latencies.Interval::high).min().orElseThrow();
    boolean told =
        intervals.stream().noneMatch(interval -> interval.high() == Latencies.Interval.UNKNOWN);
    return told && highestLow <= lowestHigh;
  }

  private static String millis(Latencies.Interval interval) {
    return Report.millis(interval.low()) + " to " + Report.millis(interval.high());
  }
}
