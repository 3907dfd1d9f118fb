package io.espalier.loadtest.driver;

import java.time.Duration;
import java.util.function.Consumer;

/**
 * Finds the knee: the highest rate at which p99 is within a limit and fewer than one request in a
 * thousand fails or is answered in part.
 */
public final class Knee {
  private static final double MOST_BAD = .001;
  private static final double STEP = 1.5;
  private static final double CLOSE = 1.05;
  private static final double LEAST_RATE = .5;
  private static final int VOID_RUNS = 3;

  private final Trial trial;
  private final Duration limit;
  private final Consumer<Point> seen;

  /** A run at a rate. */
  @FunctionalInterface
  public interface Trial {
    /** Sends that many requests a second for a while. */
    Requests at(double rate) throws InterruptedException;
  }

  /**
   * One rate that was tried.
   *
   * @param holds whether it is at or below the knee
   */
  public record Point(double rate, Requests requests, boolean holds) {}

  /**
   * Searches with runs of a trial.
   *
   * @param limit of p99
   * @param seen is told of each run that counts
   */
  public Knee(Trial trial, Duration limit, Consumer<Point> seen) {
    this.trial = trial;
    this.limit = limit;
    this.seen = seen;
  }

  /**
   * The rate, found to 5 %: by steps of half as much again from a first rate, then by halving.
   *
   * @throws IllegalStateException when the driver came too late in three runs at one rate, or no
   *     rate holds
   */
  public double find(double first) throws InterruptedException {
    double low = 0;
    double high = first;
    while (holds(high)) {
      low = high;
      high *= STEP;
    }
    while (low == 0) {
      double lower = high / STEP;
      if (lower < LEAST_RATE) {
        throw new IllegalStateException(
            "p99 is over %d ms, or answers fail, even at %.1f requests/s"
                .formatted(limit.toMillis(), high));
      }
      if (holds(lower)) {
        low = lower;
      } else {
        high = lower;
      }
    }
    while (high / low > CLOSE) {
      double middle = Math.sqrt(low * high);
      if (holds(middle)) {
        low = middle;
      } else {
        high = middle;
      }
    }
    return low;
  }

  /**
   * Runs at a rate that was found, and 5 % lower each time that the run does not hold: of the short
   * runs of a search the luckiest count.
   *
   * @param longer the run
   * @param lower how often it goes lower at most
   * @return the last rate
   */
  public Point confirm(double knee, Trial longer, int lower) throws InterruptedException {
    double rate = knee;
    for (int steps = 0; ; steps++) {
      Requests requests = longer.at(rate);
      boolean holds = isWithin(requests);
      if (holds || steps == lower) {
        return new Point(rate, requests, holds);
      }
      rate /= CLOSE;
    }
  }

  private boolean isWithin(Requests requests) {
    return requests.size() > 0
        && requests.latencies().quantile(.99) <= limit.toNanos()
        && requests.badShare() < MOST_BAD;
  }

  private boolean holds(double rate) throws InterruptedException {
    String reason = "";
    for (int run = 0; run < VOID_RUNS; run++) {
      Requests requests = trial.at(rate);
      boolean holds = isWithin(requests);
      // A late driver only makes latencies longer: what holds all the same holds.
      reason = holds ? "" : requests.voidReason().orElse("");
      if (reason.isEmpty()) {
        seen.accept(new Point(rate, requests, holds));
        return holds;
      }
    }
    throw new IllegalStateException(
        "at %.1f requests/s the driver is the limit: %s".formatted(rate, reason));
  }
}
