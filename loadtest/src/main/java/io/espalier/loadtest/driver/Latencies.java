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
   * @param high nanoseconds; {@link #UNKNOWN} when there were too few to tell
   */
  public record Interval(long low, long high) {
    /** No upper end. */
    public static final long UNKNOWN = Long.MAX_VALUE;
  }

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
    long low = (long) Math.floor(q * count - half(q, count));
    return new Interval(
        low < 1 ? 0 : atRank(low), tells(q, count) ? atRank(upper(q, count)) : Interval.UNKNOWN);
  }

  /** Whether the interval of a quantile of so many has an upper end. */
  static boolean tells(double q, long count) {
    return upper(q, count) <= count;
  }

  private static long upper(double q, long count) {
    return (long) Math.ceil(q * count + half(q, count)) + 1;
  }

  private static double half(double q, long count) {
    return Z * Math.sqrt(count * q * (1 - q));
  }

  private long atRank(long rank) {
    // Half a rank less, so that no rounding reaches the next one.
    return histogram.getValueAtPercentile(Math.max(0, 100 * (rank - .5) / Math.max(1, count())));
  }
}
