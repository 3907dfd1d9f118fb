package io.espalier.server;

import java.util.Arrays;
import java.util.concurrent.TimeUnit;

/**
 * How many calls may be in progress so that they end within their objectives: falls in proportion
 * when the slowest twentieth of the calls takes more than its target, rises by one when it does not
 * (additive increase, multiplicative decrease).
 *
 * <p>Only calls count that were let in when the limit was nearly reached: the latency of the others
 * says nothing about it, so the limit is the same before an overload and in it. Those that were let
 * in before it last fell say nothing about it either.
 *
 * <p>Time is what the callers say it is, in nanoseconds.
 */
final class LatencyLimit {
  private static final long WINDOW_NANOS = TimeUnit.MILLISECONDS.toNanos(100);
  private static final int WINDOW_CALLS = 50;
  private static final int MOST_CALLS = 512;
  // Of so many calls the half is too slow: no need to wait for the window's end.
  private static final int ALARM_CALLS = 10;
  private static final double QUANTILE = .95;
  private static final double NEAR = .75;
  private static final double LEAST_FACTOR = .5;
  private static final double FAST_GROWTH = .1;

  private final double target;
  private final int least;
  private final int most;
  private final double[] uses = new double[MOST_CALLS];
  private int count;
  private long windowStart;
  private long fell;
  private double exact;
  private volatile int limit;

  /**
   * A limit that begins at some number.
   *
   * @param target the share of its objective that a call should take at most, in (0, 1]
   */
  LatencyLimit(double target, int least, int most, int first, long now) {
    this.target = target;
    this.least = Math.min(least, most);
    this.most = most;
    this.exact = Math.clamp(first, this.least, most);
    this.limit = (int) exact;
    this.windowStart = now;
    this.fell = now;
  }

  int limit() {
    return limit;
  }

  /**
   * A call has ended.
   *
   * @param started when it was let in
   * @param depth calls in progress then, itself among them
   * @param use the share of its objective that it took
   */
  synchronized void ended(long now, long started, int depth, double use) {
    if (started - fell < 0 || depth < NEAR * limit) {
      return;
    }
    if (count < MOST_CALLS) {
      uses[count++] = use;
    }
    boolean whole = count >= WINDOW_CALLS && now - windowStart >= WINDOW_NANOS;
    if (!whole && (count % ALARM_CALLS != 0 || count == MOST_CALLS)) {
      return;
    }
    double[] sorted = Arrays.copyOf(uses, count);
    Arrays.sort(sorted);
    if (!whole && sorted[count / 2] <= target) {
      return;
    }
    double slow = sorted[(int) Math.ceil(QUANTILE * count) - 1];
    if (slow > target) {
      exact = Math.max(least, exact * Math.max(LEAST_FACTOR, target / slow));
      fell = now;
    } else {
      double step = slow < target / 2 ? Math.max(1, exact * FAST_GROWTH) : 1;
      exact = Math.min(most, exact + step);
    }
    limit = (int) exact;
    count = 0;
    windowStart = now;
  }
}
