package io.espalier.loadtest.driver;

import java.time.Duration;
import picocli.CommandLine.Option;

/** How long runs are, and in how many of them a command warms what it measures. */
public final class WarmUpOptions {
  @Option(names = "--window-s", description = "Seconds of one run (default: ${DEFAULT-VALUE}).")
  private int windowSeconds = 10;

  @Option(
      names = "--warm-windows",
      description = "Most runs to warm up in; 0: none (default: ${DEFAULT-VALUE}).")
  private int warmWindows = 60;

  /** One run at a rate. */
  public Requests run(OpenLoop load, double rate) throws InterruptedException {
    return load.run(rate, Duration.ofSeconds(windowSeconds));
  }

  /** Runs until the server is warm. */
  public void warmUp(OpenLoop load, double rate, Report report) throws InterruptedException {
    if (warmWindows > 0) {
      int windows = WarmUp.run(() -> run(load, rate), warmWindows);
      report.line("warm after %d windows of %d s at %.1f/s", windows, windowSeconds, rate);
    }
  }
}
