package io.espalier.cli;

import io.espalier.catalog.SnapshotSettings;
import io.espalier.cli.cluster.Cluster;
import io.espalier.cli.cluster.Deployment;
import io.espalier.cli.cluster.EventSettings;
import io.espalier.cli.cluster.RouteText;
import io.espalier.cli.cluster.ServeConfig;
import io.espalier.cli.cluster.SnapshotFolders;
import io.espalier.cli.cluster.Stage;
import io.espalier.cli.cluster.StageServers;
import io.espalier.cli.cluster.UserStates;
import io.espalier.cli.show.AnswerView;
import io.espalier.cli.show.Terminal;
import io.espalier.router.v1.ExplanationLevel;
import io.espalier.router.v1.ListOptions;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RecommendResponse;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.SearchResponse;
import io.espalier.router.v1.User;
import io.espalier.server.Caller;
import io.espalier.server.ConfigFile;
import io.espalier.server.ServerConfig;
import io.espalier.server.Telemetry;
import io.espalier.stores.blobs.FolderBlobs;
import io.espalier.stores.catalog.CatalogItem;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.stores.catalog.Judgment;
import io.espalier.stores.catalog.LoggedQuery;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code espalier up}: the whole cluster in one process. */
@Command(
    name = "up",
    description = {
      "Runs the whole cluster in one process: router, rewrite, retrieval, ranking, catalogue, and"
          + " the models unless --engine says where else.",
      "Without --data it serves the built-in shop."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  ./espalier up --once                          start, answer one search and one feed, stop",
      "  ./espalier up                                 until Ctrl-C; ask it with ./espalier search,"
          + " recommend, why-not",
      "  ./espalier up --data my-catalogue --model-repo out/mine",
      "  ./espalier up --engine 127.0.0.1:8001,127.0.0.1:8002   with the models on two Tritons",
      "  ./espalier up --host 0.0.0.0 --port 9000 --state /var/lib/espalier"
    })
final class UpCommand implements Callable<Integer> {
  private static final int SHOWN = 8;

  private final Terminal terminal;
  private final Home home;

  @Option(
      names = "--once",
      description = "Answer one search and one feed request with explanations, then stop.")
  boolean once;

  @Option(
      names = "--host",
      defaultValue = "127.0.0.1",
      description = "Where the router listens (default: ${DEFAULT-VALUE}).")
  String host = "";

  @Option(
      names = "--port",
      paramLabel = "N",
      description = "The router's port, 0 for a free one (default: 7700; with --once a free one).")
  @Nullable Integer port;

  @Option(
      names = "--catalog-port",
      paramLabel = "N",
      description =
          "The catalogue's port, 0 for a free one (default: 7704, or a free one when"
              + " --port is given).")
  @Nullable Integer catalogGiven;

  @Option(
      names = "--state",
      paramLabel = "DIR",
      description =
          "Remember users' events and changes of the catalogue there across restarts (default:"
              + " until it stops).")
  @Nullable Path state;

  @Option(
      names = "--user-state",
      paramLabel = "WHERE",
      description =
          "Where users' events are remembered: a folder, or redis[s]://host:port/db, shared by"
              + " routers (default: with the state).")
  @Nullable String userState;

  @Option(
      names = "--event-log",
      paramLabel = "WHERE",
      description =
          "Where it logs what it shows and what users do: a folder, or kafka://host:port/topic; needs"
              + " --state or --user-state (default: nowhere).")
  @Nullable String eventLog;

  @Option(
      names = "--catalog-log",
      paramLabel = "WHERE",
      description =
          "Where changes of the catalogue are kept: a folder, or"
              + " kafka://host:port/topic[?properties=FILE] (default: with the state).")
  @Nullable String catalogLog;

  @Option(
      names = "--rewrite-model-budget",
      paramLabel = "TIME",
      converter = Durations.class,
      description = "How long the rewrite model is waited for (default: 50ms).")
  Duration rewriteModelBudget = ServeConfig.REWRITE_MODEL_BUDGET;

  @Option(
      names = "--server",
      paramLabel = "KEY=VALUE",
      description = {
        "How router and catalogue listen and whom they let in, for example"
            + " tls.certificate=server.pem, jwt.jwks=keys.json, insecure=true.",
        "Keys: those of server: in ./espalier serve --help. May be given again."
      })
  Map<String, String> server = new LinkedHashMap<>();

  @Mixin ClientOptions self = new ClientOptions();

  @Mixin AdmissionOptions admission = new AdmissionOptions();
  @Mixin TelemetryOptions telemetryOptions = new TelemetryOptions();

  @Mixin ClusterOptions options = new ClusterOptions();

  UpCommand(Terminal terminal, Home home) {
    this.terminal = terminal;
    this.home = home;
  }

  @Override
  public Integer call() throws InterruptedException, IOException {
    long start = System.nanoTime();
    Telemetry telemetry = TelemetryStart.start("espalier", telemetryOptions.config(), terminal);
    Deployment deployment = options.deployment(home, terminal);
    Integer portGiven = port;
    ServerConfig config =
        with(Stage.ROUTER.config())
            .on(host, portGiven != null ? portGiven : once ? 0 : Stage.ROUTER.port())
            .withAdmission(admission.config());
    Integer catalogPort = catalogGiven;
    ServerConfig catalog =
        with(Stage.CATALOG.config())
            // The router's: there is one of each in a process.
            .withoutFurtherAddresses()
            .on(
                host,
                catalogPort != null
                    ? catalogPort
                    : config.port() == Stage.ROUTER.port() ? Stage.CATALOG.port() : 0);
    checkFree("--port", config);
    checkFree("--catalog-port", catalog);
    Examples examples = Examples.of(deployment);
    Path given = state;
    String remembered = userState;
    String usersAt = remembered != null ? remembered : given == null ? "" : given.toString();
    String logged = eventLog;
    EventSettings events = logged == null ? EventSettings.defaults() : EventSettings.at(logged);
    events.check(usersAt);
    Path kept = given == null ? TemporaryFolder.create() : given;
    StageServers servers =
        new StageServers(deployment, home.rewriteTables())
            .withTelemetry(telemetry.openTelemetry())
            .withRewriteModelBudget(rewriteModelBudget)
            .withEvents(events)
            .withEngine(options.engine())
            .withSnapshots(
                new SnapshotFolders(
                    FolderBlobs.open(kept.resolve("snapshots")),
                    kept.resolve("snapshot-cache"),
                    SnapshotSettings.defaults()));
    Caller caller = self.caller(config.authToken());
    Cluster cluster =
        Cluster.listening(
            servers,
            () -> UserStates.open(usersAt, deployment.data()),
            new Cluster.Listening(
                config,
                catalog,
                catalogLog != null ? catalogLog : kept.resolve("catalog").toString(),
                caller));
    Runtime.getRuntime()
        .addShutdownHook(
            Thread.ofPlatform()
                .unstarted(
                    () -> {
                      cluster.close();
                      caller.close();
                      telemetry.close();
                    }));
    terminal
        .err()
        .printf(
            Locale.ROOT,
            "espalier is up at %s, its catalogue at %s, after %.1f s: %,d items, %,d users, routes"
                + " %s%n",
            cluster.target(),
            cluster.catalogTarget(),
            (System.nanoTime() - start) / 1e9,
            deployment.data().items().size(),
            deployment.data().sequences().size(),
            String.join(", ", servers.routes()));
    terminal.err().flush();
    if (once) {
      askOnce(deployment, examples, cluster);
      cluster.close();
    } else {
      suggest(deployment, examples, cluster.target());
      cluster.awaitTermination();
    }
    return ExitCode.OK;
  }

  private ServerConfig with(ServerConfig defaults) {
    return ConfigFile.bind(
        ConfigFile.override(ConfigFile.parse("", "--server"), server),
        "--server",
        ServerConfig.class,
        defaults);
  }

  /** Told before the models load: what is loaded first takes its time. */
  private static void checkFree(String option, ServerConfig config) {
    try (ServerSocket probe = new ServerSocket()) {
      probe.bind(new InetSocketAddress(config.host(), config.port()));
    } catch (IOException e) {
      throw new ProgramException(
          ExitCode.FAILED,
          "%s: %d (expected: a free one on %s, or 0: %s)"
              .formatted(option, config.port(), config.host(), e.getMessage()));
    }
  }

  /** What to ask first: read before the cluster starts, since a data folder can have a bad line. */
  private record Examples(String query, String user) {
    static Examples of(Deployment deployment) {
      DataFolder data = deployment.data();
      return new Examples(
          has(deployment, "search") ? UpCommand.query(data) : "",
          has(deployment, "feed") ? UpCommand.user(data) : "");
    }
  }

  private void askOnce(Deployment deployment, Examples examples, Cluster cluster) {
    AnswerView view = new AnswerView(terminal, new CatalogLabels(deployment.data()));
    // A first request pays for what the virtual machine has not compiled yet: it gets the time that
    // it needs.
    RouterServiceGrpc.RouterServiceBlockingStub router =
        RouterServiceGrpc.newBlockingStub(cluster.router()).withDeadlineAfter(30, TimeUnit.SECONDS);
    ListOptions list =
        ListOptions.newBuilder()
            .setPageSize(SHOWN)
            .setExplanation(ExplanationLevel.EXPLANATION_LEVEL_FULL)
            .build();
    if (has(deployment, "search")) {
      String query = examples.query();
      SearchResponse found =
          router.search(SearchRequest.newBuilder().setQuery(query).setOptions(list).build());
      terminal.out().println();
      view.print("search \"" + query + "\"", found.getRewritesList(), found.getPage());
    }
    if (has(deployment, "feed")) {
      String user = examples.user();
      RecommendResponse feed =
          router.recommend(
              RecommendRequest.newBuilder()
                  .setUser(User.newBuilder().setId(user))
                  .setOptions(list)
                  .build());
      terminal.out().println();
      view.print("feed of " + user, List.of(), feed.getPage());
    }
  }

  private void suggest(Deployment deployment, Examples examples, String target) {
    String at = target.equals("127.0.0.1:" + Stage.ROUTER.port()) ? "" : " --target " + target;
    Path given = options.data;
    String data = given == null ? "" : " --data " + Home.shown(given);
    terminal.out().println("Try, from another terminal:");
    if (has(deployment, "search")) {
      terminal.out().println("  ./espalier search \"" + examples.query() + "\"" + at + data);
    }
    if (has(deployment, "feed")) {
      String user = examples.user();
      terminal.out().println("  ./espalier recommend " + user + at + data);
      terminal
          .out()
          .println(
              "  ./espalier why-not "
                  + deployment.data().items().getFirst().id()
                  + " --user "
                  + user
                  + at
                  + data);
    }
    terminal.out().println("Ctrl-C stops it.");
    terminal.out().flush();
  }

  private static boolean has(Deployment deployment, String kind) {
    return deployment.routes().stream().map(RouteText::kind).anyMatch(kind::equals);
  }

  /**
   * A query that people of this catalogue ask: judged, or logged and unseen in training, or a
   * title.
   */
  private static String query(DataFolder data) {
    Optional<String> judged = data.judgments().stream().map(Judgment::query).findFirst();
    Stream<String> logged =
        data.queries().stream()
            .filter(query -> query.split() == LoggedQuery.Split.TEST)
            .map(LoggedQuery::query);
    return judged
        .or(logged::findFirst)
        .orElseGet(
            () ->
                data.items().stream()
                    .map(CatalogItem::title)
                    .filter(title -> !title.isEmpty())
                    .findFirst()
                    .orElse("anything"));
  }

  private static String user(DataFolder data) {
    return data.sequences().isEmpty() ? "newcomer" : data.sequences().getFirst().user();
  }
}
