package io.espalier.loadtest;

import io.espalier.loadtest.driver.HistogramFiles;
import io.espalier.loadtest.driver.Knee;
import io.espalier.loadtest.driver.OpenLoop;
import io.espalier.loadtest.driver.Report;
import io.espalier.loadtest.driver.Requests;
import io.espalier.loadtest.driver.RunLines;
import io.espalier.loadtest.driver.WarmUpOptions;
import io.espalier.loadtest.process.ProcessorTime;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
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
  private static final double LONGEST_SEARCH = 4;

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

  @Option(
      names = "--search-s",
      description = "Seconds of a run of the search; 0: as the others (default: 0).")
  private int searchSeconds;

  @Option(
      names = "--least-requests",
      description =
          "A run of the search goes on until it has so many, at most four times as long"
              + " (default: 0).")
  private int leastRequests;

  @Option(
      names = "--lower",
      description =
          "Measures at the knee, and 5 %% lower so many times at most while that does not hold"
              + " (default: ${DEFAULT-VALUE}).")
  private int lower;

  @Option(
      names = "--server-pid",
      description = "Tells what this process and those that it started take of the processor.")
  private long serverPid;

  @Option(names = "--json", description = "Each run is added to this file, a line each.")
  private @Nullable Path json;

  @Mixin private WarmUpOptions warming = new WarmUpOptions();

  @Option(names = "--out", description = "For histograms (default: ${DEFAULT-VALUE}).")
  private Path out = Path.of(".espalier/loadtest/run");

  private final Report report;

  RunCommand(Report report) {
    this.report = report;
  }

  @Override
  public Integer call() throws InterruptedException {
    OpenLoop load = new OpenLoop(options.target(), options.seed());
    double first = rate > 0 ? rate : firstRate;
    warming.warmUp(load, first, report);
    if (rate > 0) {
      return code(measure(load, "run", rate));
    }
    Knee search = new Knee(at -> search(load, at), Duration.ofMillis(sloMillis), report::point);
    double knee = search.find(first);
    report.line("knee: %.1f requests/s at p99 <= %d ms", knee, sloMillis);
    return code(search.confirm(knee, at -> measure(load, "knee", at), lower).requests());
  }

  private static int code(Requests requests) {
    return requests.voidReason().isEmpty() ? 0 : VOID;
  }

  private Requests search(OpenLoop load, double at) throws InterruptedException {
    double least = searchSeconds > 0 ? searchSeconds : seconds;
    double length = Math.clamp(leastRequests / at, least, LONGEST_SEARCH * least);
    return run(load, "search", at, Duration.ofMillis(Math.round(1e3 * length)));
  }

  private Requests measure(OpenLoop load, String name, double at) throws InterruptedException {
    Requests requests = run(load, name, at, Duration.ofSeconds(seconds));
    report.run("%s, %.1f/s".formatted(name, at), requests, Duration.ofMillis(sloMillis));
    try {
      HistogramFiles files = new HistogramFiles(out);
      files.log(name, requests);
      files.distribution(name, requests.latencies());
    } catch (IOException e) {
      throw new UncheckedIOException(out + ": " + e.getMessage(), e);
    }
    requests.voidReason().ifPresent(text -> report.line("VOID: %s", text));
    return requests;
  }

  private Requests run(OpenLoop load, String name, double at, Duration length)
      throws InterruptedException {
    Duration before = serverPid > 0 ? ProcessorTime.of(serverPid) : Duration.ZERO;
    Requests requests = load.run(at, length);
    Duration used = serverPid > 0 ? ProcessorTime.of(serverPid).minus(before) : Duration.ZERO;
    if (serverPid > 0) {
      report.line(
          "  %.2f ms of the server's processor a request",
          used.toNanos() / 1e6 / Math.max(1, requests.size()));
    }
    if (json != null) {
      RunLines.add(json, name, at, requests, used);
    }
    return requests;
  }
}
