package io.espalier.cli;

import io.espalier.bundles.BundleRepository;
import io.espalier.catalog.CatalogComponent;
import io.espalier.cli.cluster.Deployment;
import io.espalier.cli.cluster.InferenceServer;
import io.espalier.cli.cluster.ServeConfig;
import io.espalier.cli.cluster.SnapshotBlobs;
import io.espalier.cli.cluster.SnapshotFolders;
import io.espalier.cli.cluster.Stage;
import io.espalier.cli.cluster.StageServers;
import io.espalier.cli.cluster.UserStates;
import io.espalier.cli.show.Terminal;
import io.espalier.router.StageChannels;
import io.espalier.server.Caller;
import io.espalier.server.CallerConfig;
import io.espalier.server.EspalierServer;
import io.espalier.server.Telemetry;
import io.espalier.stores.catalog.DataFolder;
import io.grpc.ManagedChannel;
import io.opentelemetry.api.OpenTelemetry;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code espalier serve STAGE}: one server of the cluster, over TCP. */
@Command(
    name = "serve",
    description =
        "Runs one server of the cluster by itself: router, retrieval, ranking, rewrite, catalog or"
            + " inference.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  ./espalier serve rewrite       at 127.0.0.1:7703",
      "  ./espalier serve retrieval     at 127.0.0.1:7701",
      "  ./espalier serve ranking       at 127.0.0.1:7702",
      "  ./espalier serve catalog       at 127.0.0.1:7704, its log in ./catalog-log",
      "  ./espalier serve catalog --catalog-log kafka://127.0.0.1:9092/catalogue",
      "  ./espalier serve retrieval --peer catalog=127.0.0.1:7704   follows that catalogue; so does"
          + " a router",
      "  ./espalier serve catalog --set snapshots.store=catalog-snapshots   publishes snapshots"
          + " there;",
      "      the same --set lets retrieval and routers begin with them",
      "  ./espalier serve inference     at 127.0.0.1:7705: the repository's models for Triton's"
          + " clients",
      "  ./espalier serve inference --set inference.control=explicit --set"
          + " inference.load=[shop-text-encode]",
      "  ./espalier serve router        at 127.0.0.1:7700, with its peers at the ports above",
      "  ./espalier serve router --peer retrieval=dns:///retrieval:7701 --set"
          + " server.max_concurrent_calls=200",
      "  ./espalier serve router --peer retrieval=10.0.0.7:7701,10.0.0.8:7701   several replicas",
      "  ./espalier serve router --set state=redis://127.0.0.1:6379/0   users' events on a server"
          + " that routers share",
      "  ./espalier serve router --set state=redis://127.0.0.1:6379/0 --set"
          + " events.log=kafka://127.0.0.1:9092/events-{host}   logs what it shows",
      "  ./espalier serve ranking --engine dns:///triton:8001   its models run on those Tritons",
      "  ./espalier serve ranking --config /etc/espalier/server.yaml",
      "",
      "A file may hold any of these keys; --set takes the same keys, and wins:",
      "  server: {host, port, max_message_bytes, max_connection_age, max_connection_age_grace,",
      "    max_concurrent_calls, admission.{adaptive, target, least_calls}, deadline_floor,",
      "    propagation_delay, drain_timeout, reflection, auth_token,",
      "    tls: {certificate, key, trust, min_version, reload}, client_names,",
      "    jwt: {jwks, issuer, audience, algorithms, clock_skew, refresh, scope_claim, tenant_claim,"
          + " trust},",
      "    insecure, admin: {host, port, auth_token}, health_port, max_header_bytes,",
      "    per_client: {connections, calls_per_second, burst}}",
      "  model_repo, data, state, events: {log, queue}, features: {store, budget, cache_mb},"
          + " catalog_log,",
      "  rewrite_tables, rewrite_model_budget,",
      "  router: {page_token_key, pinned_items}, recording: {folder, share, max_bytes} (of a"
          + " router),",
      "  snapshots: {store, cache, publish: {keep, changes, max_age, busy_share}},",
      "  decode (bundle, stepwise or fused),",
      "  engine: {targets, models (named or sent), keep_alive, patience, calls: as below},",
      "  peers: {rewrite, retrieval, ranking, catalog, by_user ([retrieval, ranking])},",
      "  calls: {tls: {certificate, key, trust, min_version, reload}, token},",
      "  a token, and a key, is a text, or {file: PATH}",
      "  inference: {control (none or explicit), load ([*] or names)},",
      "  telemetry: {metrics: {host, port}, otlp: {endpoint, interval, trace_ratio},",
      "    logs: {format (text or json), level}}"
    })
final class ServeCommand implements Callable<Integer> {
  private final Terminal terminal;
  private final Home home;

  @Parameters(paramLabel = "STAGE", description = "${COMPLETION-CANDIDATES}.")
  Stage stage = Stage.ROUTER;

  @Option(names = "--config", paramLabel = "FILE", description = "A YAML file of the keys below.")
  @Nullable Path config;

  @Option(
      names = "--host",
      paramLabel = "HOST",
      description = "Where it listens (default: 127.0.0.1).")
  @Nullable String host;

  @Option(
      names = "--port",
      paramLabel = "N",
      description = "Its port, 0 for a free one (default: 7700 to 7705 by stage).")
  @Nullable Integer port;

  @Option(
      names = "--peer",
      paramLabel = "STAGE=TARGET",
      description = "Where a router finds a stage.")
  Map<String, String> peers = new LinkedHashMap<>();

  @Option(
      names = "--catalog-log",
      paramLabel = "WHERE",
      description =
          "Where a catalogue's writer keeps its log: a folder, or"
              + " kafka://host:port/topic[?properties=FILE] (default: catalog-log).")
  @Nullable String catalogLog;

  @Option(names = "--set", paramLabel = "KEY=VALUE", description = "Any key of the configuration.")
  Map<String, String> settings = new LinkedHashMap<>();

  @Mixin ClusterOptions options = new ClusterOptions();

  ServeCommand(Terminal terminal, Home home) {
    this.terminal = terminal;
    this.home = home;
  }

  @Override
  public Integer call() throws IOException, InterruptedException {
    ServeConfig read = read();
    terminal.err().println(stage + " configuration:");
    terminal.err().print(read.shown());
    terminal.err().flush();
    Telemetry telemetry = TelemetryStart.start("espalier-" + stage, read.telemetry(), terminal);
    EspalierServer server =
        stage == Stage.INFERENCE
            ? InferenceServer.of(read, Program.version(), telemetry.openTelemetry()).build()
            : of(read, telemetry.openTelemetry());
    Runtime.getRuntime()
        .addShutdownHook(
            Thread.ofPlatform()
                .unstarted(
                    () -> {
                      server.close();
                      telemetry.close();
                    }));
    server.start();
    terminal.err().println(stage + " listens at " + server.target());
    if (!server.adminTarget().equals(server.target())) {
      terminal.err().println(stage + " is administered at " + server.adminTarget());
    }
    terminal.err().flush();
    server.awaitTermination();
    return ExitCode.OK;
  }

  /** A server of the deployment that the routes make. */
  private EspalierServer of(ServeConfig read, OpenTelemetry telemetry) throws IOException {
    Deployment deployment =
        Deployment.of(
            BundleRepository.open(Path.of(read.modelRepo())),
            DataFolder.open(Path.of(read.data())));
    Caller engine =
        read.engine().targets().isEmpty()
            ? Caller.plain()
            : caller("engine", read.engineCaller(), telemetry);
    StageServers servers =
        new StageServers(deployment, Path.of(read.rewriteTables()))
            .withTelemetry(telemetry)
            .withRewriteModelBudget(read.rewriteModelBudget())
            .withEngine(read.engine(), engine)
            .withDecoder(read.decoder())
            .withEvents(read.events())
            .withFeatures(read.features());
    if (!read.snapshots().store().isEmpty()) {
      servers = servers.withSnapshots(folders(read.snapshots()));
    }
    EspalierServer.Builder server =
        switch (stage) {
          case REWRITE -> servers.rewrite(read.server());
          case RETRIEVAL -> retrieval(servers, read, peer(read, telemetry));
          case CATALOG -> servers.catalog(read.server(), read.catalogLog());
          case RANKING -> servers.ranking(read.server());
          case ROUTER -> router(servers, read, deployment, peer(read, telemetry));
          case INFERENCE -> throw new IllegalStateException("has no deployment");
        };
    return server.closing(engine).build();
  }

  private static Caller peer(ServeConfig read, OpenTelemetry telemetry) {
    return caller("client", read.caller(), telemetry);
  }

  private static Caller caller(String use, CallerConfig config, OpenTelemetry telemetry) {
    return Caller.open(use, config, telemetry.getMeter("io.espalier.server"));
  }

  private static SnapshotFolders folders(ServeConfig.Snapshots snapshots) throws IOException {
    Path cache =
        snapshots.cache().isEmpty() ? TemporaryFolder.create() : Path.of(snapshots.cache());
    return new SnapshotFolders(SnapshotBlobs.open(snapshots.store()), cache, snapshots.publish());
  }

  private static EspalierServer.Builder retrieval(
      StageServers servers, ServeConfig config, Caller caller) {
    String target = config.peers().catalog();
    if (target.isEmpty()) {
      return servers.retrieval(config.server(), null);
    }
    ManagedChannel catalog = catalog(servers, target, caller);
    return servers
        .retrieval(config.server(), catalog)
        .closing(caller)
        .closing(() -> close(catalog));
  }

  private EspalierServer.Builder router(
      StageServers servers, ServeConfig config, Deployment deployment, Caller caller)
      throws IOException {
    ServeConfig.Peers peers = config.peers();
    ManagedChannel rewrite = channel(servers, Stage.REWRITE, peers.rewrite(), config, caller);
    ManagedChannel retrieval = channel(servers, Stage.RETRIEVAL, peers.retrieval(), config, caller);
    ManagedChannel ranking = channel(servers, Stage.RANKING, peers.ranking(), config, caller);
    StageChannels stages = new StageChannels(rewrite, retrieval, ranking);
    servers.warmUp(stages);
    String target = config.peers().catalog();
    ManagedChannel catalog = target.isEmpty() ? null : catalog(servers, target, caller);
    return servers
        .router(config, stages, UserStates.open(config.state(), deployment.data()), catalog, caller)
        .closing(caller)
        .closing(() -> close(catalog))
        .closing(rewrite::shutdownNow)
        .closing(retrieval::shutdownNow)
        .closing(ranking::shutdownNow);
  }

  private static void close(@Nullable ManagedChannel channel) {
    if (channel != null) {
      channel.shutdownNow();
    }
  }

  private static ManagedChannel channel(
      StageServers servers, Stage stage, String target, ServeConfig config, Caller caller) {
    return servers.open(
        target, caller, config.server().maxMessageBytes(), config.peers().spread(stage));
  }

  private static ManagedChannel catalog(StageServers servers, String target, Caller caller) {
    return servers.open(target, caller, CatalogComponent.MAX_MESSAGE_BYTES);
  }

  private ServeConfig read() {
    Path file = config;
    Path repository = options.repository.path(home);
    Path data = options.data;
    if (data == null) {
      data =
          file == null && stage != Stage.INFERENCE
              ? ShopCommand.builtIn(home, terminal)
              : home.shop();
    }
    ServeConfig read = ServeConfig.defaults(stage, repository, data, home.rewriteTables());
    if (file != null) {
      read = read.under(file);
    }
    Map<String, String> overrides = new LinkedHashMap<>();
    if (host != null) {
      overrides.put("server.host", host);
    }
    if (port != null) {
      overrides.put("server.port", Integer.toString(port));
    }
    if (options.data != null) {
      overrides.put("data", options.data.toString());
    }
    if (options.repository.directory != null) {
      overrides.put("model_repo", repository.toString());
    }
    if (!options.engine.isEmpty()) {
      overrides.put(
          "engine.targets", options.engine.stream().map(t -> '"' + t + '"').toList().toString());
    }
    if (catalogLog != null) {
      overrides.put("catalog_log", "\"" + catalogLog + "\"");
    }
    peers.forEach((name, target) -> overrides.put("peers." + name, "\"" + target + "\""));
    overrides.putAll(settings);
    return read.with(overrides);
  }
}
