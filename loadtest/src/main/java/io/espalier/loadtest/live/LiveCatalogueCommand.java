package io.espalier.loadtest.live;

import io.espalier.loadtest.driver.HistogramFiles;
import io.espalier.loadtest.driver.OpenLoop;
import io.espalier.loadtest.driver.Outcome;
import io.espalier.loadtest.driver.Report;
import io.espalier.loadtest.driver.Requests;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** A steady load at half the knee while the catalogue changes and its snapshots are exchanged. */
@Command(
    name = "live-catalogue",
    description =
        "Starts a catalogue's writer and a retrieval server over made-up items, finds the server's"
            + " knee, and measures at half of it while the catalogue changes.",
    footer = "Exit codes: 0 done; 1 an answer failed or was illegal; 3 the driver was too late.")
public final class LiveCatalogueCommand implements Callable<Integer> {
  private static final int PROBED = 1000;
  private static final int UNSOUND = 1;
  static final int VOID = 3;

  @Mixin private LiveOptions live = new LiveOptions();

  @Option(
      names = "--events",
      description = "Snapshots that take another's place (default: ${DEFAULT-VALUE}).")
  private int events = 200;

  @Option(
      names = "--rollback-every",
      description = "The catalogue goes back after so many of them (default: ${DEFAULT-VALUE}).")
  private int rollbackEvery = 5;

  @Option(
      names = "--unpublished",
      description = "No snapshots are published: the server makes its own, and never goes back.")
  private boolean unpublished;

  @Option(names = "--changes", description = "Changes a second (default: ${DEFAULT-VALUE}).")
  private double changes = 1000;

  @Option(names = "--probe-pause-ms", description = "Between probes (default: ${DEFAULT-VALUE}).")
  private int probePauseMillis = 100;

  @Option(names = "--out", description = "For data and histograms (default: ${DEFAULT-VALUE}).")
  private Path out = Path.of(".espalier/loadtest/live-catalogue");

  private final Report report;

  /** Prints to a report. */
  public LiveCatalogueCommand(Report report) {
    this.report = report;
  }

  @Override
  public Integer call() throws IOException, InterruptedException {
    if (live.items < 2 * PROBED) {
      throw new IllegalArgumentException(
          "items: " + live.items + " (expected: >= " + 2 * PROBED + ")");
    }
    SyntheticCatalogue catalogue =
        SyntheticCatalogue.write(out, live.template(), live.items, live.seed);
    Events happened = new Events();
    try (LiveServers servers =
        new LiveServers(catalogue, out, !unpublished, live, happened::line)) {
      return measure(catalogue, servers, happened);
    }
  }

  private int measure(SyntheticCatalogue catalogue, LiveServers servers, Events happened)
      throws IOException, InterruptedException {
    Answers answers = new Answers(catalogue);
    OpenLoop load = new OpenLoop(servers.retrievals(answers::judge), live.seed);
    double loaded = live.steadyRate(load, 50, report);
    report.line("load: %.1f requests/s, %.0f changes/s", loaded, changes);

    Ledger ledger = new Ledger(live.items);
    List<Requests> runs = new ArrayList<>();
    Churn churn =
        new Churn(servers.toWriter(), catalogue, ledger, live.items - PROBED, changes, live.seed);
    live.windows.warmUp(load, loaded, report);
    // Not before: a server that is still cold may answer nothing for seconds.
    VisibilityProbe probe =
        new VisibilityProbe(
            servers.toWriter(),
            servers.toRetrieval(),
            catalogue,
            ledger,
            live.items - PROBED,
            Duration.ofMillis(probePauseMillis));
    Rollbacks rollbacks =
        new Rollbacks(
            servers.toWriter(),
            ledger,
            happened,
            probe,
            unpublished ? 0 : rollbackEvery,
            live.seed);
    // Again: the first exchanges and returns run code that has never run.
    live.windows.warmUp(load, loaded, report);
    happened.clear();
    probe.clear();
    while (happened.count() < events) {
      runs.add(live.windows.run(load, loaded));
      report.line(
          "%s, %d changes, p99 %s",
          happened, churn.acknowledged(), Report.millis(runs.getLast().latencies().quantile(.99)));
      // Without changes there are no more events to wait for.
      churn.check();
      probe.check();
      rollbacks.check();
    }
    rollbacks.stop();
    probe.stop();
    churn.stop();
    report.line("");
    report.line("%d changes, %s", churn.acknowledged(), happened);
    return judge(Requests.join(runs), happened, answers.check(ledger), probe);
  }

  private int judge(
      Requests requests, Events happened, Answers.Verdict verdict, VisibilityProbe probe)
      throws IOException {
    Overlaps overlaps = Overlaps.of(requests, happened);
    report.run("all requests", requests, live.slo());
    overlaps.print(report, "change", "changes");
    report.latencies("upsert until seen", probe.upserts());
    report.latencies("removal until seen", probe.removals());
    report.line(
        "%d failed, %d items returned, %d illegal, %d short lists",
        failed(requests), verdict.items(), verdict.illegal(), verdict.shortLists());
    HistogramFiles files = new HistogramFiles(out.resolve("histograms"));
    files.log("requests", requests);
    files.distribution("requests", requests.latencies());
    overlaps.keep(files);
    files.distribution("upserts", probe.upserts());
    files.distribution("removals", probe.removals());
    Optional<String> reason = requests.voidReason();
    reason.ifPresent(text -> report.line("VOID: %s", text));
    if (failed(requests) > 0 || verdict.illegal() > 0) {
      return UNSOUND;
    }
    return reason.isEmpty() ? 0 : VOID;
  }

  /** Those that the server refused count, too. */
  private static int failed(Requests requests) {
    return requests.count(Outcome.FAILED) + requests.count(Outcome.REFUSED);
  }
}
