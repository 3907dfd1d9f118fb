package io.espalier.loadtest.driver;

import com.google.errorprone.annotations.FormatMethod;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.Locale;

/** Prints figures, a line each. */
public final class Report {
  private final PrintWriter out;

  /** Prints to a writer. */
  public Report(PrintWriter out) {
    this.out = out;
  }

  /** Prints a line. */
  @FormatMethod
  public void line(String format, Object... values) {
    out.println(String.format(Locale.ROOT, format, values));
    out.flush();
  }

  /** Prints a distribution. */
  public void latencies(String name, Latencies latencies) {
    Latencies.Interval interval = latencies.interval(.99);
    line(
        "%-22s %8d   p50 %s   p99 %s (%s to %s)   max %s",
        name,
        latencies.count(),
        millis(latencies.quantile(.5)),
        millis(latencies.quantile(.99)),
        millis(interval.low()),
        millis(interval.high()),
        millis(latencies.max()));
  }

  /**
   * Prints a run.
   *
   * @param within what a full answer must take to count as good
   */
  public void run(String name, Requests requests, Duration within) {
    latencies(name, requests.latencies());
    line(
        "  %.1f good answers/s, %d degraded, %d refused, %d failed; send lag p50 %s, p99 %s",
        requests.goodput(within),
        requests.count(Outcome.DEGRADED),
        requests.count(Outcome.REFUSED),
        requests.count(Outcome.FAILED),
        millis(requests.sendLag().quantile(.5)),
        millis(requests.sendLag().quantile(.99)));
  }

  /** Prints one rate of a search for the knee. */
  public void point(Knee.Point point) {
    Requests requests = point.requests();
    latencies(
        "%.1f/s %s".formatted(point.rate(), point.holds() ? "holds" : "fails"),
        requests.latencies());
    if (requests.badShare() > 0) {
      line(
          "  %d degraded, %d refused, %d failed of %d",
          requests.count(Outcome.DEGRADED),
          requests.count(Outcome.REFUSED),
          requests.count(Outcome.FAILED),
          requests.size());
    }
  }

  /** Nanoseconds for a reader. */
  public static String millis(long nanos) {
    return nanos == Latencies.Interval.UNKNOWN
        ? "?"
        : String.format(Locale.ROOT, "%.2f ms", nanos / 1e6);
  }
}
