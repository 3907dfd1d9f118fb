package io.espalier.loadtest;

import io.espalier.loadtest.driver.HistogramFiles;
import io.espalier.loadtest.driver.Knee;
import io.espalier.loadtest.driver.OpenLoop;
import io.espalier.loadtest.driver.Report;
import io.espalier.loadtest.driver.Requests;
import io.espalier.loadtest.driver.WarmUpOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Drives a server that is up: at a rate, or at its knee. */
@Command(
    name = "run",
    description = "Measures a server that is up, at a rate, or, without one, at its knee.",
    footer = {
      "Examples:",
      "  loadtest/measure.sh run --call recommend --slo-ms 100",
      "  loadtest/measure.sh run --target 127.0.0.1:7701 --call retrieve --rate 200 --seconds 60",
      "Exit codes: 0 done; 3 the driver was too late, so the figures say nothing."
    })
final class RunCommand implements Callable<Integer> {
  private static final int VOID = 3;

  @Mixin private TargetOptions options = new TargetOptions();

  @Option(names = "--rate", description = "Requests a second; 0: finds the knee (default: 0).")
  private double rate;

  @Option(
      names = "--first-rate",
      description = "Where the search begins (default: ${DEFAULT-VALUE}).")
  private double firstRate = 20;

  @Option(names = "--slo-ms", description = "p99 at the knee (default: ${DEFAULT-VALUE}).")
  private int sloMillis = 100;

  @Option(names = "--seconds", description = "Of one run (default: ${DEFAULT-VALUE}).")
  private int seconds = 30;

  @Mixin private WarmUpOptions warming = new WarmUpOptions();

  @Option(names = "--out", description = "For histograms (default: ${DEFAULT-VALUE}).")
  private Path out = Path.of(".espalier/loadtest/run");

  private final Report report;

  RunCommand(Report report) {
    this.report = report;
  }

  @Override
  public Integer call() throws IOException, InterruptedException {
    OpenLoop load = new OpenLoop(options.target(), options.seed());
    double first = rate > 0 ? rate : firstRate;
    warming.warmUp(load, first, report);
    if (rate > 0) {
      return measure(load, "run", rate) ? 0 : VOID;
    }
    double knee =
        new Knee(
                at -> load.run(at, Duration.ofSeconds(seconds)),
                Duration.ofMillis(sloMillis),
                report::point)
            .find(first);
    report.line("knee: %.1f requests/s at p99 <= %d ms", knee, sloMillis);
    return measure(load, "knee", knee) ? 0 : VOID;
  }

  private boolean measure(OpenLoop load, String name, double at)
      throws IOException, InterruptedException {
    Requests requests = load.run(at, Duration.ofSeconds(seconds));
    report.run("%s, %.1f/s".formatted(name, at), requests, Duration.ofMillis(sloMillis));
    HistogramFiles files = new HistogramFiles(out);
    files.log(name, requests);
    files.distribution(name, requests.latencies());
    Optional<String> reason = requests.voidReason();
    reason.ifPresent(text -> report.line("VOID: %s", text));
    return reason.isEmpty();
  }
}
