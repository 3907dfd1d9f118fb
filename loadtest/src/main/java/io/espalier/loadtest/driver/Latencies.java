package io.espalier.loadtest.driver;

import java.util.stream.LongStream;
import org.HdrHistogram.Histogram;

/**
 * A distribution of times, to three digits.
 *
 * @param histogram in nanoseconds
 */
public record Latencies(Histogram histogram) {
  // Of the normal distribution, for 95 of 100 intervals.
  private static final double Z = 1.96;

  /**
   * Where a quantile lies with 95 % confidence.
   *
   * @param low nanoseconds
   * @param high nanoseconds; {@link Long#MAX_VALUE} when there were too few to tell
   */
  public record Interval(long low, long high) {}

  /** The distribution of some nanoseconds. */
  public static Latencies of(LongStream nanos) {
    Histogram histogram = new Histogram(3);
    nanos.forEach(value -> histogram.recordValue(Math.max(0, value)));
    return new Latencies(histogram);
  }

  /** How many there are. */
  public long count() {
    return histogram.getTotalCount();
  }

  /** The quantile, in nanoseconds. */
  public long quantile(double q) {
    return atRank((long) Math.ceil(q * count()));
  }

  /** The longest, in nanoseconds; 0 when there are none. */
  public long max() {
    return histogram.getMaxValue();
  }

  /**
   * The interval of a quantile from order statistics: the ranks between which a binomial variable
   * with this chance falls, by its normal approximation.
   */
  public Interval interval(double q) {
    long count = count();
    double middle = q * count;
    double half = Z * Math.sqrt(count * q * (1 - q));
    long low = (long) Math.floor(middle - half);
    long high = (long) Math.ceil(middle + half) + 1;
    return new Interval(low < 1 ? 0 : atRank(low), high > count ? Long.MAX_VALUE : atRank(high));
  }

  private long atRank(long rank) {
    // Half a rank less, so that no rounding reaches the next one.
    return histogram.getValueAtPercentile(Math.max(0, 100 * (rank - .5) / Math.max(1, count())));
  }
}
