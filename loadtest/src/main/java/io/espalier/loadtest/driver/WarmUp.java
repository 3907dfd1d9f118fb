package io.espalier.loadtest.driver;

import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Windows of load that are thrown away, until three in a row agree on p99: until their intervals of
 * it have a value in common.
 */
public final class WarmUp {
  private static final int AGREEING = 3;

  private WarmUp() {}

  /** One window. */
  @FunctionalInterface
  public interface Window {
    /** Sends its requests. */
    Requests run() throws InterruptedException;
  }

  /**
   * Runs windows.
   *
   * @return how many it took
   * @throws IllegalStateException when so many were not enough
   */
  public static int run(Window window, int most) throws InterruptedException {
    Deque<Latencies.Interval> last = new ArrayDeque<>();
    for (int windows = 1; windows <= most; windows++) {
      if (last.size() == AGREEING) {
        last.removeFirst();
      }
      last.addLast(window.run().latencies().interval(.99));
      if (last.size() == AGREEING && agree(last)) {
        return windows;
      }
    }
    throw new IllegalStateException(
        "p99: no three of %d windows in a row agree; the last: %s"
            .formatted(most, last.stream().map(WarmUp::millis).toList()));
  }

  private static boolean agree(Deque<Latencies.Interval> intervals) {
    long highestLow = intervals.stream().mapToLong(Latencies.Interval::low).max().orElseThrow();
    long lowestHigh = intervals.stream().mapToLong(Latencies.Interval::high).min().orElseThrow();
    return highestLow <= lowestHigh;
  }

  private static String millis(Latencies.Interval interval) {
    return "%.2f to %.2f ms".formatted(interval.low() / 1e6, interval.high() / 1e6);
  }
}
