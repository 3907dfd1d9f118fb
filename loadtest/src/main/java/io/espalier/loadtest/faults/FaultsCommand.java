package io.espalier.loadtest.faults;

import io.espalier.loadtest.driver.HistogramFiles;
import io.espalier.loadtest.driver.Knee;
import io.espalier.loadtest.driver.NamedFiles;
import io.espalier.loadtest.driver.OpenLoop;
import io.espalier.loadtest.driver.Report;
import io.espalier.loadtest.driver.Requests;
import io.espalier.loadtest.faults.Callers.Kind;
import io.espalier.stores.catalog.DataFolder;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Starts a cluster of processes for each scenario, loads it, does what it says, and judges. */
@Command(
    name = "faults",
    description = {
      "Starts a whole cluster of processes for each scenario, drives it at a rate, does to it what"
          + " the scenario says, and judges what became of the requests.",
      "A planned change may fail none; a single fault none whose deadline allowed a second try."
          + " Once it is over, all must be as before."
    },
    footer = "Exit codes: 0 all hold; 1 one does not.")
public final class FaultsCommand implements Callable<Integer> {
  private static final double SHARE_OF_KNEE = .6;
  private static final int UNSOUND = 1;
  private static final Duration LONGEST = Duration.ofHours(2);

  @Parameters(paramLabel = "SCENARIO", description = "Files of --scenarios (default: all).")
  private List<String> names = new ArrayList<>();

  @Option(names = "--scenarios", description = "Their folder (default: ${DEFAULT-VALUE}).")
  private Path scenarios = Path.of("loadtest/faults");

  @Option(names = "--list", description = "Says which there are, and ends.")
  private boolean list;

  @Option(
      names = "--rate",
      description = "Requests a second; 0 finds the knee and takes 60 % of it (default: 0).")
  private double rate;

  @Option(names = "--slo-ms", description = "p99 at the knee (default: ${DEFAULT-VALUE}).")
  private int sloMillis = 150;

  @Option(names = "--warm-s", description = "Load before anything counts (default: 30).")
  private int warmSeconds = 30;

  @Option(names = "--quiet-s", description = "Load before the first step (default: 30).")
  private int quietSeconds = 30;

  @Option(
      names = "--settle-s",
      description =
          "Load after the last step; in its last third all must be as before (default: 15).")
  private int settleSeconds = 15;

  @Option(
      names = "--requests",
      description =
          "The steps are done again until so many were sent, within two hours (default: once).")
  private int requests;

  @Option(names = "--deadline-ms", description = "Of a request (default: ${DEFAULT-VALUE}).")
  private int deadlineMillis = 2000;

  @Option(names = "--no-searches", description = "Feed requests alone.")
  private boolean noSearches;

  @Option(
      names = "--instant",
      description = "The stages answer at once what was made beforehand; implies --no-searches.")
  private boolean instant;

  @Option(
      names = "--server-cpu",
      description = "The servers' cores (default: any but the driver's).")
  private String serverCpu = "";

  @Option(names = "--server-heap", description = "Of each server (default: ${DEFAULT-VALUE}).")
  private String serverHeap = "512m";

  @Option(names = "--data", description = "The shop (default: ${DEFAULT-VALUE}).")
  private Path data = Path.of(".espalier/shop");

  @Option(names = "--model-repo", description = "Its models (default: ${DEFAULT-VALUE}).")
  private Path modelRepo = Path.of("model-repo");

  @Option(names = "--faketime", description = "A library (default: ${DEFAULT-VALUE}).")
  private Path faketime = Path.of("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1");

  @Option(
      names = "--kafka-class-path",
      description = "A file with a broker's class path (default: ${DEFAULT-VALUE}).")
  private Path kafkaClassPath = Path.of("stores-kafka/target/broker-classpath");

  @Option(names = "--seed", description = "Of everything random (default: ${DEFAULT-VALUE}).")
  private long seed = 1;

  @Option(names = "--out", description = "For logs and histograms (default: ${DEFAULT-VALUE}).")
  private Path out = Path.of(".espalier/loadtest/faults");

  private final Report report;

  /** Prints to a report. */
  public FaultsCommand(Report report) {
    this.report = report;
  }

  @Override
  public Integer call() throws IOException, InterruptedException {
    List<String> all = names.isEmpty() ? new NamedFiles(scenarios).names() : names;
    if (list) {
      for (String name : all) {
        report.line("%-18s %s", name, Scenario.read(scenarios, name).what());
      }
      return 0;
    }
    DataFolder shop = DataFolder.open(data);
    List<String> rows = new ArrayList<>();
    boolean sound = true;
    for (String name : all) {
      Scenario scenario = Scenario.read(scenarios, name);
      if (instant && names.isEmpty() && scenario.wantsStages()) {
        report.line("%s: left out, since it does not go with --instant", name);
        continue;
      }
      report.line("");
      report.line("== %s: %s", name, scenario.what());
      try {
        sound &= run(name, scenario, shop, rows);
      } catch (IOException | RuntimeException e) {
        // The next scenario has a cluster of its own.
        report.line("%s: %s", name, String.valueOf(e.getMessage()));
        rows.add("%-18s did not run to its end".formatted(name));
        sound = false;
      }
    }
    report.line("");
    report.line(
        "%-18s %9s %7s %7s %7s %9s %9s %10s %10s %9s %9s %6s",
        "scenario",
        "requests",
        "failed",
        "no time",
        "refused",
        "unflagged",
        "degraded",
        "2nd tries",
        "troubled",
        "after",
        "p99 ms",
        "ratio");
    rows.forEach(row -> report.line("%s", row));
    return sound ? 0 : UNSOUND;
  }

  private boolean run(String name, Scenario scenario, DataFolder shop, List<String> rows)
      throws IOException, InterruptedException {
    Path folder = out.resolve(name);
    Cluster.Setup setup =
        new Cluster.Setup(
            data, modelRepo, serverCpu, serverHeap, instant, faketime, kafkaClassPath, seed);
    boolean writes = scenario.has(Scenario.Deed.FILL) || scenario.redis();
    try (Cluster cluster = Cluster.start(scenario, setup, folder);
        Callers callers =
            new Callers(
                cluster.routers(),
                cluster.caller(),
                shop,
                !noSearches && !instant,
                Duration.ofMillis(deadlineMillis),
                writes,
                seed)) {
      OpenLoop load = new OpenLoop(callers, seed);
      double loaded = rate > 0 ? rate : knee(load) * SHARE_OF_KNEE;
      load.run(loaded, Duration.ofSeconds(warmSeconds));
      report.line(
          "load: %.1f requests/s; %d of %d questions answered in full while warming",
          loaded, callers.known(), callers.questions());
      callers.learned();
      Run run =
          new Run(
              load,
              loaded,
              callers::sent,
              new Run.Plan(
                  Duration.ofSeconds(quietSeconds),
                  Duration.ofSeconds(settleSeconds),
                  LONGEST,
                  requests));
      Faults faults =
          new Faults(
              cluster,
              callers::writesInTrouble,
              what -> report.line("%7.1f s  %s", (System.nanoTime() - run.began()) / 1e9, what));
      Run.Steps steps =
          () -> {
            for (Scenario.Step step : scenario.steps()) {
              faults.run(step);
            }
          };
      List<String> shortcomings = new ArrayList<>();
      Requests sent;
      String writer = cluster.writer();
      if (writer.isEmpty()) {
        sent = run.go(steps);
      } else {
        try (Updates updates = new Updates(writer, cluster.caller())) {
          sent = run.go(steps);
          report.line("%s", updates);
          shortcomings.addAll(updates.acknowledgements().shortcomings(run.began(), run.settled()));
        }
      }
      Verdict verdict =
          Verdict.of(sent, callers.troubles(), run.began(), run.ended(), run.settled());
      shortcomings.addAll(verdict.shortcomings(scenario.planned()));
      shortcomings.addAll(callers.shortcomings());
      List<String> dead = cluster.dead();
      if (!dead.isEmpty()) {
        shortcomings.add(dead + " ended by themselves (expected: all run at the end)");
      }
      print(name, callers, sent, verdict, shortcomings, rows);
      HistogramFiles files = new HistogramFiles(folder.resolve("histograms"));
      files.log("requests", sent);
      files.distribution("quiet", verdict.quiet().latencies());
      files.distribution("disturbed", verdict.disturbed().latencies());
      return shortcomings.isEmpty();
    }
  }

  private double knee(OpenLoop load) throws InterruptedException {
    load.run(20, Duration.ofSeconds(warmSeconds));
    double knee =
        new Knee(
                at -> load.run(at, Duration.ofSeconds(10)),
                Duration.ofMillis(sloMillis),
                report::point)
            .find(20);
    report.line("knee: %.1f requests/s at p99 <= %d ms", knee, sloMillis);
    return knee;
  }

  private void print(
      String name,
      Callers callers,
      Requests sent,
      Verdict verdict,
      List<String> shortcomings,
      List<String> rows) {
    report.latencies("quiet", verdict.quiet().latencies());
    report.latencies("disturbed", verdict.disturbed().latencies());
    if (verdict.quiet().troubles() > 0) {
      report.line("before the first step %d requests met trouble", verdict.quiet().troubles());
    }
    sent.voidReason().ifPresent(text -> report.line("times say nothing: %s", text));
    if (!callers.degradations().isEmpty()) {
      report.line(
          "degraded: %s",
          callers.degradations().entrySet().stream()
              .map(one -> one.getKey() + " " + one.getValue())
              .collect(Collectors.joining(", ")));
    }
    verdict.examples().forEach(one -> report.line("  %s", one));
    shortcomings.forEach(text -> report.line("  SHORT: %s", text));
    boolean holds = shortcomings.isEmpty();
    report.line("%s: %s", name, holds ? "holds" : "DOES NOT HOLD");
    rows.add(
        "%-18s %9d %7d %7d %7d %9d %9d %10d %8.1f s %7.1f s %4.0f→%-4.0f %6s%s"
            .formatted(
                name,
                sent.size(),
                verdict.count(Kind.FAILED),
                verdict.count(Kind.FAILED_LATE),
                verdict.count(Kind.REFUSED),
                verdict.count(Kind.UNFLAGGED),
                verdict.count(Kind.DEGRADED),
                verdict.count(Kind.SECOND_TRY),
                verdict.troubledNanos() / 1e9,
                Math.max(0, verdict.afterNanos()) / 1e9,
                verdict.quiet().latencies().quantile(.99) / 1e6,
                verdict.disturbed().latencies().quantile(.99) / 1e6,
                sent.voidReason().isEmpty() ? "%.2f".formatted(verdict.ratio()) : "void",
                holds ? "" : "  DOES NOT HOLD"));
  }
}
