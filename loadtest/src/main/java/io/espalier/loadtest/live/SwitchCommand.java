package io.espalier.loadtest.live;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.events.v1.Event;
import io.espalier.loadtest.driver.GrpcTarget;
import io.espalier.loadtest.driver.HistogramFiles;
import io.espalier.loadtest.driver.Knee;
import io.espalier.loadtest.driver.Latencies;
import io.espalier.loadtest.driver.OpenLoop;
import io.espalier.loadtest.driver.Outcome;
import io.espalier.loadtest.driver.Report;
import io.espalier.loadtest.driver.Requests;
import io.espalier.loadtest.driver.WarmUpOptions;
import io.espalier.retrieval.v1.Candidate;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.retrieval.v1.RetrieveResponse;
import io.espalier.router.v1.ListOptions;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RecommendResponse;
import io.espalier.router.v1.ResultItem;
import io.espalier.router.v1.ResultPage;
import io.espalier.router.v1.RouterServiceGrpc;
import io.grpc.Channel;
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
  private static final String TEMPLATE = "shop-tiger@1";
  private static final int CONNECTIONS = 4;
  private static final int SECOND = 2;
  private static final int UNSOUND = 1;
  static final int VOID = 3;

  @Option(names = "--items", description = "Items (default: ${DEFAULT-VALUE}).")
  private int items = 100_000;

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

  @Option(
      names = "--rate",
      description = "Requests a second; 0 finds the knee and takes half (default: 0).")
  private double rate;

  @Option(names = "--slo-ms", description = "p99 at the knee (default: ${DEFAULT-VALUE}).")
  private int sloMillis = 50;

  @Mixin private WarmUpOptions windows = new WarmUpOptions();

  @Option(names = "--deadline-ms", description = "Of a request (default: ${DEFAULT-VALUE}).")
  private int deadlineMillis = 2000;

  @Option(
      names = "--server-cpu",
      description = "The retrieval server's and the router's core (default: any).")
  private String serverCpu = "";

  @Option(names = "--server-heap", description = "Retrieval's (default: ${DEFAULT-VALUE}).")
  private String serverHeap = "2g";

  @Option(names = "--seed", description = "Of everything random (default: ${DEFAULT-VALUE}).")
  private long seed = 1;

  @Option(names = "--model-repo", description = "Where " + TEMPLATE + " is.")
  private Path modelRepo = Path.of("model-repo");

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
    Bundle template = BundleRepository.open(modelRepo).get(BundleId.parse(TEMPLATE));
    SyntheticCatalogue catalogue = SyntheticCatalogue.write(out, template, items, seed);
    catalogue.addVersion(template, SECOND, seed + 1);
    Events happened = new Events();
    try (LiveServers servers =
        new LiveServers(catalogue, out, true, serverCpu, serverHeap, happened::line)) {
      servers.startRouter(catalogue, serverCpu);
      return measure(catalogue, servers, happened);
    }
  }

  private int measure(SyntheticCatalogue catalogue, LiveServers servers, Events happened)
      throws IOException, InterruptedException {
    Answers answers = new Answers(catalogue);
    OpenLoop load = new OpenLoop(target(servers, answers), seed);
    double loaded = rate > 0 ? rate : knee(load) / 2;
    report.line("load: %.1f requests/s, %.0f changes/s", loaded, changes);
    Ledger ledger = new Ledger(items);
    Churn churn = new Churn(servers.toWriter(), catalogue, ledger, items, changes, seed);
    windows.warmUp(load, loaded, report);
    happened.clear();
    Switches switching =
        new Switches(
            servers.toRetrieval(),
            servers.toWriter(),
            servers.toRouter(),
            happened,
            rollbackEvery,
            Duration.ofMillis(quietMillis),
            Duration.ofMillis(pauseMillis));
    List<Requests> runs = new ArrayList<>();
    while (made(happened) < switches) {
      runs.add(windows.run(load, loaded));
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

  private GrpcTarget<?, ?> target(LiveServers servers, Answers answers)
      throws IOException, InterruptedException {
    List<Channel> channels = new ArrayList<>();
    for (int i = 0; i < CONNECTIONS; i++) {
      channels.add(servers.toRouter());
    }
    Questions questions = new Questions(items, seed);
    return new GrpcTarget<>(
        channels,
        RouterServiceGrpc.getRecommendMethod(),
        Duration.ofMillis(deadlineMillis),
        number -> routed(questions.get(number)),
        (request, answer) -> judge(answers, request, answer));
  }

  /** The same question to a router: items of the history are left out by the route. */
  private static RecommendRequest routed(RetrieveRequest question) {
    RecommendRequest.Builder request = RecommendRequest.newBuilder();
    question
        .getHistoryList()
        .forEach(
            item -> request.getUserBuilder().addRecentEvents(Event.newBuilder().setItemId(item)));
    ListOptions.Builder options =
        ListOptions.newBuilder().setRoute(SyntheticCatalogue.ROUTE).setPageSize(question.getK());
    if (question.hasFilter()) {
      options.setFilter(question.getFilter());
    }
    return request.setOptions(options).build();
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

  private double knee(OpenLoop load) throws InterruptedException {
    double first = 40;
    windows.warmUp(load, first, report);
    double knee =
        new Knee(at -> windows.run(load, at), Duration.ofMillis(sloMillis), report::point)
            .find(first);
    report.line("knee: %.1f requests/s at p99 <= %d ms", knee, sloMillis);
    return knee;
  }

  private int judge(Requests requests, Events happened, Answers.Verdict verdict)
      throws IOException {
    Latencies during = requests.latencies(request -> happened.overlap(requests, request));
    Latencies others = requests.latencies(request -> !happened.overlap(requests, request));
    Events nothing = happened.between();
    Latencies between =
        requests.latencies(
            request -> nothing.overlap(requests, request) && !happened.overlap(requests, request));
    report.run("all requests", requests, Duration.ofMillis(sloMillis));
    report.latencies("during a switch", during);
    report.latencies("the others", others);
    report.latencies("as long windows between switches", between);
    report.line(
        "p99 during : others = %.2f (expected: at most 1.2), during : between = %.2f",
        ratio(during, others), ratio(during, between));
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
    files.distribution("during", during);
    files.distribution("others", others);
    Optional<String> reason = requests.voidReason();
    reason.ifPresent(text -> report.line("VOID: %s", text));
    if (requests.count(Outcome.FAILED) + requests.count(Outcome.REFUSED) > 0
        || verdict.illegal() > 0
        || mixed.get() > 0) {
      return UNSOUND;
    }
    return reason.isEmpty() ? 0 : VOID;
  }

  private static double ratio(Latencies during, Latencies others) {
    return during.quantile(.99) / (double) Math.max(1, others.quantile(.99));
  }
}
