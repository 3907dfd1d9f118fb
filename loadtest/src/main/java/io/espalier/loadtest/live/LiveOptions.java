package io.espalier.loadtest.live;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.loadtest.driver.Knee;
import io.espalier.loadtest.driver.OpenLoop;
import io.espalier.loadtest.driver.Report;
import io.espalier.loadtest.driver.WarmUpOptions;
import java.nio.file.Path;
import java.time.Duration;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * Which servers a measurement starts over made-up items, and the steady load that it puts on them.
 */
final class LiveOptions {
  private static final String TEMPLATE = "shop-tiger@1";

  @Option(names = "--items", description = "Items (default: ${DEFAULT-VALUE}).")
  int items = 100_000;

  @Option(
      names = "--rate",
      description = "Requests a second; 0 finds the knee and takes half (default: 0).")
  private double rate;

  @Option(names = "--slo-ms", description = "p99 at the knee (default: ${DEFAULT-VALUE}).")
  private int sloMillis = 50;

  @Mixin WarmUpOptions windows = new WarmUpOptions();

  @Option(names = "--deadline-ms", description = "Of a request (default: ${DEFAULT-VALUE}).")
  private int deadlineMillis = 2000;

  @Option(
      names = "--server-cpu",
      description = "The core of the servers that answer (default: any but the driver's).")
  String serverCpu = "";

  @Option(
      names = "--server-heap",
      description = "The retrieval server's, whole from the start (default: ${DEFAULT-VALUE}).")
  String serverHeap = "2g";

  // Not an option: only what watches memory asks the servers for it, since it costs them some.
  boolean nativeMemory;

  @Option(names = "--seed", description = "Of everything random (default: ${DEFAULT-VALUE}).")
  long seed = 1;

  @Option(names = "--model-repo", description = "Where " + TEMPLATE + " is.")
  private Path modelRepo = Path.of("model-repo");

  /** The bundle whose models answer. */
  Bundle template() {
    return BundleRepository.open(modelRepo).get(BundleId.parse(TEMPLATE));
  }

  Duration slo() {
    return Duration.ofMillis(sloMillis);
  }

  Duration deadline() {
    return Duration.ofMillis(deadlineMillis);
  }

  /**
   * The rate that was asked for, or half of the knee.
   *
   * @param first where the search for the knee begins
   */
  double steadyRate(OpenLoop load, double first, Report report) throws InterruptedException {
    if (rate > 0) {
      return rate;
    }
    windows.warmUp(load, first, report);
    double knee = new Knee(at -> windows.run(load, at), slo(), report::point).find(first);
    report.line("knee: %.1f requests/s at p99 <= %d ms", knee, sloMillis);
    return knee / 2;
  }
}
