package io.espalier.loadtest.hangup;

import io.espalier.bundles.BundleRepository;
import io.espalier.catalog.SnapshotSettings;
import io.espalier.cli.cluster.Cluster;
import io.espalier.cli.cluster.Deployment;
import io.espalier.cli.cluster.EngineSettings;
import io.espalier.cli.cluster.RouteText;
import io.espalier.cli.cluster.SnapshotFolders;
import io.espalier.cli.cluster.Stage;
import io.espalier.cli.cluster.StageServers;
import io.espalier.loadtest.driver.Report;
import io.espalier.loadtest.hangup.EngineReadings.Work;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RecommendResponse;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.User;
import io.espalier.server.ClientChannels;
import io.espalier.stores.blobs.FolderBlobs;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.stores.users.EmbeddedUserStates;
import io.grpc.ManagedChannel;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.metrics.SdkMeterProvider;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Callers of a router hang up while their calls wait for models: when is the queue free of them?
 */
@Command(
    name = "hang-up",
    description =
        "Starts a cluster over the built-in shop, lets many callers wait for its models at once,"
            + " cuts their connection, and says how long their calls stayed in the models' queues"
            + " and what was run for nobody.",
    footer =
        "Exit codes: 0 done; 1 the queues were not free of them within 20 ms in 19 of 20 rounds, or did"
            + " not fill.")
public final class HangUpCommand implements Callable<Integer> {
  private static final int LATE = 1;
  private static final int WARM = 100;
  private static final int ANSWERED_ROUNDS = 5;
  private static final long PATIENCE_SECONDS = 60;
  private static final long QUIET_NANOS = TimeUnit.MILLISECONDS.toNanos(300);

  @Option(
      names = "--engine",
      split = ",",
      paramLabel = "TARGET",
      description = "Servers of models (default: the embedded engine).")
  private List<String> engine = List.of();

  @Option(names = "--callers", description = "At once (default: ${DEFAULT-VALUE}).")
  private int callers = 128;

  @Option(names = "--rounds", description = "(default: ${DEFAULT-VALUE}).")
  private int rounds = 50;

  @Option(names = "--model-repo", description = "(default: ${DEFAULT-VALUE}).")
  private Path modelRepo = Path.of("model-repo");

  @Option(names = "--data", description = "The shop's folder (default: ${DEFAULT-VALUE}).")
  private Path data = Path.of(".espalier/shop");

  private final Report report;

  /** Prints to a report. */
  public HangUpCommand(Report report) {
    this.report = report;
  }

  @Override
  public Integer call() throws IOException, InterruptedException, ExecutionException {
    DataFolder shop = DataFolder.open(data);
    Deployment budgeted = Deployment.of(BundleRepository.open(modelRepo), shop);
    // A stage that is late would be left out, and its calls given up before their callers go.
    Deployment deployment =
        new Deployment(
            budgeted.repository(),
            shop,
            budgeted.routes().stream().map(RouteText::withoutBudgets).toList());
    EngineReadings readings = new EngineReadings(engine);
    OpenTelemetrySdk telemetry =
        OpenTelemetrySdk.builder()
            .setMeterProvider(SdkMeterProvider.builder().registerMetricReader(readings).build())
            .build();
    EmbeddedUserStates users = EmbeddedUserStates.inMemory(100);
    users.load(shop, 0);
    Path state = Files.createTempDirectory("hang-up");
    StageServers servers =
        new StageServers(deployment, state.resolve("none"))
            .withTelemetry(telemetry)
            .withEngine(EngineSettings.defaults().at(engine))
            .withSnapshots(
                new SnapshotFolders(
                    FolderBlobs.open(state.resolve("snapshots")),
                    state.resolve("cache"),
                    SnapshotSettings.defaults()));
    try (telemetry;
        Cluster cluster =
            Cluster.listening(
                servers,
                () -> users,
                new Cluster.Listening(
                    Stage.ROUTER.config().on("127.0.0.1", 0),
                    Stage.CATALOG.config().on("127.0.0.1", 0),
                    state.resolve("log").toString()))) {
      List<String> names =
          shop.sequences().stream().limit(callers).map(sequence -> sequence.user()).toList();
      return measure(cluster, names, readings) ? 0 : LATE;
    }
  }

  private boolean measure(Cluster cluster, List<String> users, EngineReadings readings)
      throws InterruptedException, ExecutionException {
    ManagedChannel patient = ClientChannels.open(cluster.target());
    Work answered;
    try {
      for (int i = 0; i < WARM; i++) {
        ask(patient, users, 1).getFirst().get();
      }
      Work before = readings.work();
      for (int round = 0; round < ANSWERED_ROUNDS; round++) {
        for (Future<RecommendResponse> call : ask(patient, users, callers)) {
          call.get();
        }
      }
      answered = readings.work().since(before);
    } finally {
      patient.shutdownNow();
    }
    report.line(
        "%d callers answered: %d rows, %.1f ms of runs",
        callers, answered.rows() / ANSWERED_ROUNDS, 1e3 * answered.seconds() / ANSWERED_ROUNDS);

    HangUps hangUps = new HangUps(Math.max(1, callers / 4));
    Work wasted = new Work(0, 0);
    for (int round = 0; round < rounds; round++) {
      ManagedChannel channel = ClientChannels.open(cluster.target());
      ask(channel, users, callers);
      long waiting = awaitQueue(readings, hangUps);
      Work before = readings.work();
      long start = System.nanoTime();
      channel.shutdownNow();
      long end = start + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
      while (readings.waiting() > 0 && System.nanoTime() < end) {
        Thread.onSpinWait();
      }
      hangUps.add(waiting, System.nanoTime() - start);
      wasted = plus(wasted, awaitQuiet(readings).since(before));
    }
    hangUps.print(report, callers);
    report.line(
        "run for nobody: %.1f rows, %.2f ms a time, %.1f %% of what their answers would have taken",
        (double) wasted.rows() / rounds,
        1e3 * wasted.seconds() / rounds,
        100 * wasted.seconds() / rounds / (answered.seconds() / ANSWERED_ROUNDS));
    List<String> shortcomings = hangUps.shortcomings();
    shortcomings.forEach(text -> report.line("SHORT: %s", text));
    return shortcomings.isEmpty();
  }

  private static Work plus(Work one, Work other) {
    return new Work(one.rows() + other.rows(), one.seconds() + other.seconds());
  }

  private static List<Future<RecommendResponse>> ask(
      ManagedChannel channel, List<String> users, int calls) {
    List<Future<RecommendResponse>> asked = new ArrayList<>();
    for (int i = 0; i < calls; i++) {
      asked.add(
          RouterServiceGrpc.newFutureStub(channel)
              .withDeadlineAfter(PATIENCE_SECONDS, TimeUnit.SECONDS)
              .recommend(
                  RecommendRequest.newBuilder()
                      .setUser(User.newBuilder().setId(users.get(i % users.size())))
                      .build()));
    }
    return asked;
  }

  /** Waits until the callers' calls pile up, or most of them were answered without. */
  private static long awaitQueue(EngineReadings readings, HangUps hangUps) {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
    long waiting = readings.waiting();
    while (!hangUps.isFilled(waiting) && System.nanoTime() < end) {
      waiting = readings.waiting();
    }
    return waiting;
  }

  /** Waits until nothing is run any more. */
  private static Work awaitQuiet(EngineReadings readings) throws InterruptedException {
    Work last = readings.work();
    long since = System.nanoTime();
    while (System.nanoTime() - since < QUIET_NANOS) {
      Thread.sleep(5);
      Work now = readings.work();
      if (now.rows() != last.rows()) {
        last = now;
        since = System.nanoTime();
      }
    }
    return last;
  }
}
