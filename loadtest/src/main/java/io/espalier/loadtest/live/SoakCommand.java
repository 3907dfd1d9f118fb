package io.espalier.loadtest.live;

import io.espalier.loadtest.driver.GrpcTarget;
import io.espalier.loadtest.driver.OpenLoop;
import io.espalier.loadtest.driver.Outcome;
import io.espalier.loadtest.driver.Report;
import io.espalier.loadtest.driver.Requests;
import io.espalier.loadtest.process.Footprint;
import io.espalier.loadtest.process.ServerProcess;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** A long steady load at half the knee while the catalogue changes: what servers leave behind. */
@Command(
    name = "soak",
    description = {
      "Starts a catalogue's writer, a retrieval server and a router over made-up items, finds the"
          + " knee, and drives them at half of it for long while the catalogue changes.",
      "Heaps are of a fixed size and touched beforehand, so that what grows is none of theirs."
    },
    footer =
        "Exit codes: 0 done; 1 a request failed, one in 1000 was degraded, memory grew by a hundredth or"
            + " could not be read, or something was left behind.")
public final class SoakCommand implements Callable<Integer> {
  private static final int UNSOUND = 1;
  private static final double MOST_GROWTH = .01;
  private static final int TOLD_EVERY = 10;

  @Mixin private LiveOptions live = new LiveOptions();

  @Option(names = "--length", description = "Of the load that counts (default: PT1H).")
  private Duration length = Duration.ofHours(1);

  @Option(
      names = "--settle",
      description = "Length of the same load before anything counts (default: PT10M).")
  private Duration settle = Duration.ofMinutes(10);

  @Option(names = "--changes", description = "Changes a second (default: ${DEFAULT-VALUE}).")
  private double changes = 500;

  @Option(names = "--out", description = "For data (default: ${DEFAULT-VALUE}).")
  private Path out = Path.of(".espalier/loadtest/soak");

  private final Report report;

  /** Prints to a report. */
  public SoakCommand(Report report) {
    this.report = report;
  }

  @Override
  public Integer call() throws IOException, InterruptedException {
    SyntheticCatalogue catalogue =
        SyntheticCatalogue.write(out, live.template(), live.items, live.seed);
    live.nativeMemory = true;
    Events happened = new Events();
    try (LiveServers servers = new LiveServers(catalogue, out, true, live, happened::line)) {
      servers.startRouter(catalogue);
      return measure(catalogue, servers, happened);
    }
  }

  private int measure(SyntheticCatalogue catalogue, LiveServers servers, Events happened)
      throws IOException, InterruptedException {
    GrpcTarget<?, ?> target =
        servers.recommendations(
            (request, answer) ->
                answer.getPage().getDegradationsCount() > 0 ? Outcome.DEGRADED : Outcome.OK);
    OpenLoop load = new OpenLoop(target, live.seed);
    double loaded = live.steadyRate(load, 40, report);
    report.line("load: %.1f requests/s, %.0f changes/s", loaded, changes);
    Churn churn =
        new Churn(
            servers.toWriter(), catalogue, new Ledger(live.items), live.items, changes, live.seed);
    run(load, loaded, settle, servers, churn, new LinkedHashMap<>());
    happened.clear();
    Map<String, Growth> growth = new LinkedHashMap<>();
    Counts counts = run(load, loaded, length, servers, churn, growth);
    churn.stop();
    report.line("");
    report.line(
        "%d requests, %d failed, %d refused, %d degraded; %d changes, %s",
        counts.all, counts.failed, counts.refused, counts.degraded, churn.acknowledged(), happened);
    report.line(
        "%-10s %26s %26s %14s %14s %14s",
        "process", "resident MB", "JVM's own MB", "threads", "descriptors", "mapped files");
    boolean sound = counts.hold();
    for (Map.Entry<String, Growth> process : growth.entrySet()) {
      sound &= print(process.getKey(), process.getValue());
    }
    return sound ? 0 : UNSOUND;
  }

  /** What became of the requests of all windows. */
  static final class Counts {
    // Of a thousand.
    private static final long MOST_DEGRADED = 1;

    private long all;
    private long failed;
    private long refused;
    private long degraded;

    void add(Requests requests) {
      all += requests.size();
      failed += requests.count(Outcome.FAILED);
      refused += requests.count(Outcome.REFUSED);
      degraded += requests.count(Outcome.DEGRADED);
    }

    /** Whether there were any, and they were answered as below the knee. */
    boolean hold() {
      return all > 0 && failed + refused == 0 && degraded * 1_000 <= MOST_DEGRADED * all;
    }
  }

  private Counts run(
      OpenLoop load,
      double rate,
      Duration time,
      LiveServers servers,
      Churn churn,
      Map<String, Growth> growth)
      throws IOException, InterruptedException {
    Counts counts = new Counts();
    long end = System.nanoTime() + time.toNanos();
    for (int window = 0; System.nanoTime() < end; window++) {
      Requests requests = live.windows.run(load, rate);
      counts.add(requests);
      churn.check();
      for (Map.Entry<String, ServerProcess> process : servers.processes().entrySet()) {
        growth
            .computeIfAbsent(process.getKey(), stage -> new Growth())
            .add(Footprint.of(process.getValue().pid()));
      }
      if (window % TOLD_EVERY == 0) {
        report.line(
            "p99 %s; %s",
            Report.millis(requests.latencies().quantile(.99)),
            String.join(
                ", ",
                growth.entrySet().stream()
                    .map(one -> one.getKey() + " " + one.getValue().last())
                    .toList()));
      }
    }
    return counts;
  }

  private boolean print(String stage, Growth growth) {
    boolean holds = growth.holds(MOST_GROWTH);
    report.line(
        "%-10s %26s %26s %14s %14s %14s%s",
        stage,
        megabytes(growth.resident()),
        megabytes(growth.committed()),
        counted(growth.threads()),
        counted(growth.descriptors()),
        counted(growth.mappings()),
        holds ? "" : "  DOES NOT HOLD");
    if (growth.unread() > 0) {
      report.line("  %d readings without memory (expected: none)", growth.unread());
    }
    return holds;
  }

  private static String megabytes(Growth.Change change) {
    return "%.1f to %.1f (%+.2f %%)"
        .formatted(change.before() / 1024., change.after() / 1024., 100 * change.share());
  }

  private static String counted(Growth.Change change) {
    return change.before() + " to " + change.after();
  }
}
