package io.espalier.loadtest.live;

import io.espalier.bundles.Bundle;
import io.espalier.loadtest.driver.HistogramFiles;
import io.espalier.loadtest.driver.OpenLoop;
import io.espalier.loadtest.driver.Outcome;
import io.espalier.loadtest.driver.Report;
import io.espalier.loadtest.driver.Requests;
import io.espalier.retrieval.v1.Candidate;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.retrieval.v1.RetrieveResponse;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RecommendResponse;
import io.espalier.router.v1.ResultItem;
import io.espalier.router.v1.ResultPage;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicLong;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** A steady load at half the knee while bundle versions take each other's place. */
@Command(
    name = "switch-bundles",
    description =
        "Starts a catalogue's writer, a retrieval server and a router over made-up items and two"
            + " bundle versions, finds the knee, and measures at half of it while one version takes"
            + " the other's place again and again.",
    footer =
        "Exit codes: 0 done; 1 an answer failed, was illegal or of two versions; 3 the driver was"
            + " too late.")
public final class SwitchCommand implements Callable<Integer> {
  private static final int SECOND = 2;
  private static final int UNSOUND = 1;
  static final int VOID = 3;

  @Mixin private LiveOptions live = new LiveOptions();

  @Option(
      names = "--switches",
      description = "Switches and rollbacks together (default: ${DEFAULT-VALUE}).")
  private int switches = 200;

  @Option(
      names = "--rollback-every",
      description = "One in so many goes back (default: ${DEFAULT-VALUE}).")
  private int rollbackEvery = 4;

  @Option(
      names = "--quiet-ms",
      description =
          "How long nobody may have asked for a version that is taken out (default:"
              + " ${DEFAULT-VALUE}).")
  private int quietMillis = 500;

  @Option(names = "--pause-ms", description = "Between two (default: ${DEFAULT-VALUE}).")
  private int pauseMillis = 3000;

  @Option(names = "--changes", description = "Changes a second (default: ${DEFAULT-VALUE}).")
  private double changes = 100;

  @Option(names = "--out", description = "For data and histograms (default: ${DEFAULT-VALUE}).")
  private Path out = Path.of(".espalier/loadtest/switch-bundles");

  private final Report report;
  private final AtomicLong mixed = new AtomicLong();

  /** Prints to a report. */
  public SwitchCommand(Report report) {
    this.report = report;
  }

  @Override
  public Integer call() throws IOException, InterruptedException {
    Bundle template = live.template();
    SyntheticCatalogue catalogue = SyntheticCatalogue.write(out, template, live.items, live.seed);
    catalogue.addVersion(template, SECOND, live.seed + 1);
    Events happened = new Events();
    try (LiveServers servers = new LiveServers(catalogue, out, true, live, happened::line)) {
      servers.startRouter(catalogue);
      return measure(catalogue, servers, happened);
    }
  }

  private int measure(SyntheticCatalogue catalogue, LiveServers servers, Events happened)
      throws IOException, InterruptedException {
    Answers answers = new Answers(catalogue);
    OpenLoop load =
        new OpenLoop(
            servers.recommendations((request, answer) -> judge(answers, request, answer)),
            live.seed);
    double loaded = live.steadyRate(load, 40, report);
    report.line("load: %.1f requests/s, %.0f changes/s", loaded, changes);
    Ledger ledger = new Ledger(live.items);
    Churn churn = new Churn(servers.toWriter(), catalogue, ledger, live.items, changes, live.seed);
    live.windows.warmUp(load, loaded, report);
    Switches switching =
        new Switches(
            servers.toRetrieval(),
            servers.toWriter(),
            servers.toRouter(),
            happened,
            rollbackEvery,
            Duration.ofMillis(quietMillis),
            Duration.ofMillis(pauseMillis));
    // Again: the first switches run code that has never run.
    live.windows.warmUp(load, loaded, report);
    happened.clear();
    List<Requests> runs = new ArrayList<>();
    while (made(happened) < switches) {
      runs.add(live.windows.run(load, loaded));
      report.line(
          "%d switches, %d rollbacks, %d changes, p99 %s",
          happened.count(Events.Kind.SWITCH),
          happened.count(Events.Kind.ROLLBACK),
          churn.acknowledged(),
          Report.millis(runs.getLast().latencies().quantile(.99)));
      switching.check();
      churn.check();
    }
    switching.stop();
    churn.stop();
    report.line("");
    report.line(
        "%d switches, %d rollbacks, %d changes",
        happened.count(Events.Kind.SWITCH),
        happened.count(Events.Kind.ROLLBACK),
        churn.acknowledged());
    return judge(Requests.join(runs), happened, answers.check(ledger));
  }

  private static long made(Events happened) {
    return happened.count(Events.Kind.SWITCH) + happened.count(Events.Kind.ROLLBACK);
  }

  /** Keeps an answer as the one version that made it gave it. */
  private Outcome judge(Answers answers, RecommendRequest request, RecommendResponse answer) {
    ResultPage page = answer.getPage();
    if (page.getBundlesCount() != 1) {
      mixed.incrementAndGet();
      return Outcome.DEGRADED;
    }
    RetrieveRequest.Builder asked =
        RetrieveRequest.newBuilder()
            .setBundle(page.getBundles(0).getName())
            .setBundleVersion(page.getBundles(0).getVersion())
            .setK(request.getOptions().getPageSize());
    request.getUser().getRecentEventsList().forEach(event -> asked.addExclude(event.getItemId()));
    if (request.getOptions().hasFilter()) {
      asked.setFilter(request.getOptions().getFilter());
    }
    RetrieveResponse.Builder given =
        RetrieveResponse.newBuilder().setCatalogOffset(page.getCatalogOffset());
    for (ResultItem item : page.getItemsList()) {
      given.addCandidates(
          Candidate.newBuilder()
              .setItemId(item.getItemId())
              .addAllSemanticId(item.getProvenance(0).getBeam().getSemanticIdList()));
    }
    Outcome outcome = answers.judge(asked.build(), given.build());
    return page.getDegradationsCount() > 0 ? Outcome.DEGRADED : outcome;
  }

  private int judge(Requests requests, Events happened, Answers.Verdict verdict)
      throws IOException {
    Overlaps overlaps = Overlaps.of(requests, happened);
    report.run("all requests", requests, live.slo());
    overlaps.print(report, "switch", "switches");
    report.line(
        "%d failed, %d refused, %d degraded, %d of two versions, %d items returned, %d illegal, %d short lists",
        requests.count(Outcome.FAILED),
        requests.count(Outcome.REFUSED),
        requests.count(Outcome.DEGRADED),
        mixed.get(),
        verdict.items(),
        verdict.illegal(),
        verdict.shortLists());
    HistogramFiles files = new HistogramFiles(out.resolve("histograms"));
    files.log("requests", requests);
    files.distribution("requests", requests.latencies());
    overlaps.keep(files);
    Optional<String> reason = requests.voidReason();
    reason.ifPresent(text -> report.line("VOID: %s", text));
    if (requests.count(Outcome.FAILED) + requests.count(Outcome.REFUSED) > 0
        || verdict.illegal() > 0
        || mixed.get() > 0) {
      return UNSOUND;
    }
    return reason.isEmpty() ? 0 : VOID;
  }
}
