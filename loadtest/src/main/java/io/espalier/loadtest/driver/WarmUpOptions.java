package io.espalier.loadtest.driver;

import java.time.Duration;
import picocli.CommandLine.Option;

/** How long runs are, and in how many of them a command warms what it measures. */
public final class WarmUpOptions {
  private static final double P99 = .99;
  // Three of these are all that a slow server's warmth is worth.
  private static final int LONGEST_SECONDS = 60;
  private static final int LEAST_WINDOWS = 6;

  @Option(names = "--window-s", description = "Seconds of one run (default: ${DEFAULT-VALUE}).")
  private int windowSeconds = 10;

  @Option(
      names = "--warm-windows",
      description =
          "Most runs to warm up in, where they tell p99; at low rates they are longer, up to a minute,"
              + " and fewer; 0: none (default: ${DEFAULT-VALUE}).")
  private int warmWindows = 60;

  /** One run at a rate. */
  public Requests run(OpenLoop load, double rate) throws InterruptedException {
    return load.run(rate, Duration.ofSeconds(windowSeconds));
  }

  /** Runs until the server is warm. */
  public void warmUp(OpenLoop load, double rate, Report report) throws InterruptedException {
    if (warmWindows > 0) {
      int seconds = warmSeconds(rate);
      double quantile = WarmUp.quantile(rate * seconds);
      int windows =
          WarmUp.run(
              () -> load.run(rate, Duration.ofSeconds(seconds)), quantile, mostWindows(seconds));
      report.line(
          "warm after %d windows of %d s at %.1f/s: three in a row agree on p%.0f",
          windows, seconds, rate, 100 * quantile);
    }
  }

  /** As long as p99 needs at a rate, but no longer than a minute. */
  int warmSeconds(double rate) {
    int needed = (int) Math.ceil(Math.min(LONGEST_SECONDS, WarmUp.requests(P99) / rate));
    return Math.max(windowSeconds, needed);
  }

  /** As long all together as the shorter ones would be, but for a few. */
  private int mostWindows(int seconds) {
    return Math.min(
        warmWindows, Math.max(LEAST_WINDOWS, Math.ceilDiv(warmWindows * windowSeconds, seconds)));
  }
}
