package io.espalier.cli.cluster;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleManifest.Shape;
import io.espalier.bundles.BundleRepository;
import io.espalier.catalog.CatalogComponent;
import io.espalier.catalog.SnapshotStore;
import io.espalier.inference.ModelRunner;
import io.espalier.inference.TracedModelRunner;
import io.espalier.ranking.FeatureStores;
import io.espalier.ranking.RankingComponent;
import io.espalier.ranking.RankingSettings;
import io.espalier.retrieval.Decoder;
import io.espalier.retrieval.RetrievalComponent;
import io.espalier.rewrite.RewriteComponent;
import io.espalier.rewrite.RewriteSettings;
import io.espalier.router.RecordingConfig;
import io.espalier.router.RouterComponent;
import io.espalier.router.RouterConfig;
import io.espalier.router.StageChannels;
import io.espalier.router.StageReplicas;
import io.espalier.router.events.EventJournal;
import io.espalier.server.Caller;
import io.espalier.server.ClientChannels;
import io.espalier.server.ConfigException;
import io.espalier.server.EspalierServer;
import io.espalier.server.ServerConfig;
import io.espalier.stores.catalog.CatalogItem;
import io.espalier.stores.log.RecordLog;
import io.espalier.stores.redis.RedisFeatureTables;
import io.espalier.stores.users.EmbeddedUserStates;
import io.espalier.stores.users.UserStateStore;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.metrics.Meter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Builds each server of a cluster from its deployment. The same builders make the servers of one
 * process and those that have a process each: only the transport differs.
 */
public final class StageServers {
  private static final Logger log = LoggerFactory.getLogger(StageServers.class);

  /** How long a router that stops waits for its event log. */
  private static final Duration EVENTS_DRAIN = Duration.ofSeconds(5);

  private final Deployment deployment;
  // Set while servers are copied, and never again.
  private RewriteSettings rewriteSettings;
  private @Nullable SnapshotFolders snapshotFolders;
  private @Nullable Decoder decoder;
  private EngineSettings engine = EngineSettings.defaults();
  private Caller engineCaller = Caller.plain();
  private EventSettings events = EventSettings.defaults();
  private FeatureSettings features = FeatureSettings.defaults();
  private OpenTelemetry telemetry = OpenTelemetry.noop();

  /**
   * Servers of {@code deployment}.
   *
   * @param rewriteTables a folder of rewrite tables that may not lie in the model repository; need
   *     not exist
   */
  public StageServers(Deployment deployment, Path rewriteTables) {
    this.deployment = deployment;
    this.rewriteSettings =
        Files.isDirectory(rewriteTables)
            ? RewriteSettings.defaults().withTables(rewriteTables)
            : RewriteSettings.defaults();
  }

  private StageServers(StageServers other) {
    this.deployment = other.deployment;
    this.rewriteSettings = other.rewriteSettings;
    this.snapshotFolders = other.snapshotFolders;
    this.decoder = other.decoder;
    this.engine = other.engine;
    this.engineCaller = other.engineCaller;
    this.events = other.events;
    this.features = other.features;
    this.telemetry = other.telemetry;
  }

  /** The same servers, which tell of what they do. */
  public StageServers withTelemetry(OpenTelemetry told) {
    StageServers servers = new StageServers(this);
    servers.telemetry = told;
    return servers;
  }

  /** The same servers, where snapshots of the catalogue are published and followed. */
  public StageServers withSnapshots(SnapshotFolders folders) {
    StageServers servers = new StageServers(this);
    servers.snapshotFolders = folders;
    return servers;
  }

  /** The same servers, whose generative sources decode in this way where they can. */
  public StageServers withDecoder(@Nullable Decoder way) {
    StageServers servers = new StageServers(this);
    servers.decoder = way;
    return servers;
  }

  /** The same servers, whose models run there, reached in plaintext. */
  public StageServers withEngine(EngineSettings where) {
    return withEngine(where, Caller.plain());
  }

  /**
   * The same servers, whose models run there.
   *
   * @param caller who calls servers elsewhere; stays open for as long as the servers
   */
  public StageServers withEngine(EngineSettings where, Caller caller) {
    StageServers servers = new StageServers(this);
    servers.engine = where;
    servers.engineCaller = caller;
    return servers;
  }

  /** The same servers, whose rewrite model is waited for this long. */
  public StageServers withRewriteModelBudget(Duration budget) {
    RewriteSettings usual = RewriteSettings.defaults();
    Duration run = budget.compareTo(usual.runLimit()) > 0 ? budget : usual.runLimit();
    Duration call =
        budget.compareTo(usual.defaultDeadline()) > 0 ? budget : usual.defaultDeadline();
    StageServers servers = new StageServers(this);
    servers.rewriteSettings =
        new RewriteSettings(
            rewriteSettings.tables(),
            budget,
            usual.answerReserve(),
            run,
            usual.modelRuns(),
            usual.cachedQueries(),
            call,
            usual.warmUpLimit());
    return servers;
  }

  /** The same servers, whose rankers look features up there. */
  public StageServers withFeatures(FeatureSettings settings) {
    StageServers servers = new StageServers(this);
    servers.features = settings;
    return servers;
  }

  /** The same servers, whose router logs what it shows and what users do. */
  public StageServers withEvents(EventSettings settings) {
    StageServers servers = new StageServers(this);
    servers.events = settings;
    return servers;
  }

  /** A runner with the models of all stages loaded and warm. */
  public ModelRunner runner() {
    Set<BundleId> bundles = new TreeSet<>(deployment.rewriters());
    bundles.addAll(deployment.sources());
    bundles.addAll(deployment.rankers());
    return runner(bundles);
  }

  private ModelRunner runner(Collection<BundleId> bundles) {
    return runner(bundles, BundleModels.of(deployment.repository(), bundles));
  }

  private ModelRunner runner(Collection<BundleId> bundles, Set<String> models) {
    BundleRepository repository = deployment.repository();
    // No byte of a model reaches an engine's native code before its checksum has been looked at.
    SideBySide.forEach(bundles, id -> repository.get(id).verify());
    return engine.open(
        repository, models, engineCaller, telemetry.getMeter("io.espalier.inference"));
  }

  /**
   * How generative sources decode unless told otherwise: where each call goes over the network, in
   * as few as there can be.
   */
  private @Nullable Decoder decoding() {
    return decoder == null && !engine.isEmbedded() ? Decoder.FUSED : decoder;
  }

  private ModelRunner traced(ModelRunner runner) {
    return TracedModelRunner.of(runner, telemetry);
  }

  /** A channel to another server of the cluster, which goes on with the trace of a request. */
  public ManagedChannel open(String target, Caller caller, int maxMessageBytes) {
    return open(target, caller, maxMessageBytes, ClientChannels.Spread.LEAST_CALLS);
  }

  /** The same, to the replicas of a server. */
  public ManagedChannel open(
      String target, Caller caller, int maxMessageBytes, ClientChannels.Spread spread) {
    return ClientChannels.open(target, caller, maxMessageBytes, telemetry, spread);
  }

  /** The rewrite server on the deployment's models alone. */
  public EspalierServer.Builder rewrite(ServerConfig config) {
    LoadedModels models = engine(runner(deployment.rewriters()));
    return alone(admin -> rewrite(config, models, models, admin));
  }

  /** An engine and its models, which the stages that share it use. */
  LoadedModels engine(ModelRunner runner) {
    return new LoadedModels(deployment.repository(), runner, engine);
  }

  /** What brings bundle versions to the stages of this process. */
  BundleAdmin bundleAdmin() {
    return new BundleAdmin(deployment.repository());
  }

  /** A stage by itself, with what brings bundle versions to it. */
  private EspalierServer.Builder alone(Function<BundleAdmin, EspalierServer.Builder> stage) {
    BundleAdmin admin = bundleAdmin();
    return stage.apply(admin).adminService(new BundleAdminService(admin));
  }

  /**
   * The retrieval server on the deployment's models alone.
   *
   * @param catalog to the catalogue's writer, whose changes are followed; null where there is none
   */
  public EspalierServer.Builder retrieval(ServerConfig config, @Nullable Channel catalog) {
    LoadedModels models = engine(runner(deployment.sources()));
    return alone(admin -> retrieval(config, models, models, catalog, admin));
  }

  /**
   * The catalogue's writer on the models alone that give new items their ids.
   *
   * @param where its log is: a folder, or an address of Kafka's
   */
  public EspalierServer.Builder catalog(ServerConfig config, String where) {
    LoadedModels models =
        engine(
            runner(
                deployment.sources(),
                CatalogComponent.models(deployment.repository(), deployment.sources())));
    try {
      return alone(admin -> catalog(config, where, models, models, admin));
    } catch (RuntimeException e) {
      models.close();
      throw e;
    }
  }

  EspalierServer.Builder catalog(
      ServerConfig config,
      String where,
      LoadedModels models,
      AutoCloseable owned,
      BundleAdmin admin) {
    long first = deployment.data().items().size() + 1L;
    // First, since it holds nothing: whatever fails once the log is this process's lets go of it.
    SnapshotStore snapshots = snapshots("catalog");
    RecordLog log = RecordLogs.open("catalog_log", where, first);
    if (snapshots == null && log.start() != first) {
      log.close();
      throw new ConfigException(
          "%s: the log begins at offset %d (expected: %d, after the items of %s)"
              .formatted(where, log.start(), first, deployment.data().directory()));
    }
    CatalogComponent component;
    try {
      component = component(log, models, snapshots);
    } catch (RuntimeException e) {
      log.close();
      throw e;
    }
    return component
        .install(builder("catalog", config))
        .announcing(
            admin.add(Stage.CATALOG, bundle -> bundle.hasFile("semantic_ids"), component.bundles()))
        .closing(owned)
        .closing(log)
        .closing(component);
  }

  private CatalogComponent component(
      RecordLog log, LoadedModels models, @Nullable SnapshotStore snapshots) {
    Meter meter = telemetry.getMeter("io.espalier.catalog");
    if (snapshots == null || snapshotFolders == null) {
      return CatalogComponent.start(
          deployment.repository(), deployment.sources(), log, models.runner(), models, meter);
    }
    try {
      return CatalogComponent.start(
          deployment.repository(),
          deployment.sources(),
          log,
          models.runner(),
          models,
          new CatalogComponent.Publishing(
              snapshots, snapshotFolders.settings(), deployment.data().items()),
          meter);
    } catch (IOException e) {
      throw new UncheckedIOException(snapshotFolders.store() + ": " + e.getMessage(), e);
    }
  }

  private @Nullable SnapshotStore snapshots(String user) {
    SnapshotFolders folders = snapshotFolders;
    try {
      return folders == null ? null : folders.open(user, telemetry.getMeter("io.espalier.catalog"));
    } catch (IOException e) {
      throw new UncheckedIOException(e.getMessage(), e);
    }
  }

  /** The ranking server on the deployment's models alone. */
  public EspalierServer.Builder ranking(ServerConfig config) {
    LoadedModels models = engine(runner(deployment.rankers()));
    return alone(admin -> ranking(config, models, models, admin));
  }

  EspalierServer.Builder rewrite(
      ServerConfig config, LoadedModels models, AutoCloseable owned, BundleAdmin admin) {
    RewriteComponent component =
        RewriteComponent.start(
            deployment.repository(),
            deployment.rewriters(),
            traced(models.runner()),
            models,
            rewriteSettings,
            telemetry);
    return builder("rewrite", config)
        .service(component.service())
        .announcing(
            admin.add(
                Stage.REWRITE,
                bundle -> RewriteComponent.SYSTEMS.contains(bundle.system()),
                component.bundles()))
        .readiness("rewrite models", component::isReady)
        .closing(owned)
        .closing(component);
  }

  EspalierServer.Builder retrieval(
      ServerConfig config,
      LoadedModels models,
      AutoCloseable owned,
      @Nullable Channel catalog,
      BundleAdmin admin) {
    tellOfStepwise();
    RetrievalComponent component =
        RetrievalComponent.open(
            deployment.repository(),
            deployment.sources(),
            deployment.data(),
            traced(models.runner()),
            models,
            catalog == null ? null : snapshots("retrieval"),
            decoding(),
            telemetry);
    if (catalog != null) {
      component.follow(catalog);
    }
    return builder("retrieval", config)
        .service(component.service())
        .announcing(
            admin.add(
                Stage.RETRIEVAL,
                bundle -> RetrievalComponent.SYSTEMS.contains(bundle.system()),
                component.bundles()))
        .readiness("retrieval models", component::isReady)
        .readiness("the catalogue's log", component::hasCaughtUp)
        .closing(owned)
        .closing(component);
  }

  /** Stepwise decoding works on any engine, but sends its state along with every call. */
  private void tellOfStepwise() {
    if (engine.isEmbedded()) {
      return;
    }
    for (BundleId id : deployment.sources()) {
      Bundle bundle = deployment.repository().get(id);
      if (bundle.manifest().shape() == Shape.GENERATE
          && (decoding() == Decoder.STEPWISE || !bundle.hasFile("fused_live"))) {
        log.warn(
            "{} is decoded stepwise on {}: a call a level, each with its whole state",
            id,
            engine.targets());
      }
    }
  }

  EspalierServer.Builder ranking(
      ServerConfig config, LoadedModels models, AutoCloseable owned, BundleAdmin admin) {
    if (features.store().isEmpty()) {
      return ranking(config, models, FeatureStores.embedded(), owned, admin);
    }
    RedisFeatureTables tables = FeatureSettings.tables("features.store", features.store());
    try {
      return ranking(
          config,
          models,
          (bundle, table) ->
              tables.store(bundle.toString(), table, features.budget(), features.cacheBytes()),
          () -> {
            tables.close();
            owned.close();
          },
          admin);
    } catch (RuntimeException e) {
      tables.close();
      throw e;
    }
  }

  private EspalierServer.Builder ranking(
      ServerConfig config,
      LoadedModels models,
      FeatureStores stores,
      AutoCloseable owned,
      BundleAdmin admin) {
    RankingComponent component =
        RankingComponent.start(
            deployment.repository(),
            deployment.rankers(),
            traced(models.runner()),
            models,
            stores,
            RankingSettings.defaults(),
            telemetry);
    return builder("ranking", config)
        .service(component.service())
        .announcing(
            admin.add(
                Stage.RANKING,
                bundle -> RankingComponent.SYSTEMS.contains(bundle.system()),
                component.bundles()))
        .readiness("ranking models", component::isReady)
        .closing(owned)
        .closing(component);
  }

  /**
   * The router over channels to the stages.
   *
   * @param catalog to the catalogue's writer, whose changes are followed; null where there is none
   */
  public EspalierServer.Builder router(
      ServerConfig config,
      StageChannels channels,
      UserStateStore users,
      @Nullable Channel catalog) {
    return router(config, channels, users, catalog, Live.NONE);
  }

  /**
   * The router of a cluster: its routes change only to bundles that every replica of its peers has.
   *
   * @param catalog to the catalogue's writer, whose changes are followed; null where there is none
   * @param caller who it is to its peers
   */
  public EspalierServer.Builder router(
      ServeConfig config,
      StageChannels channels,
      UserStateStore users,
      @Nullable Channel catalog,
      Caller caller) {
    int largest = config.server().maxMessageBytes();
    ReplicaChannels rewrite = replicas(config.peers().rewrite(), caller, largest);
    ReplicaChannels retrieval = replicas(config.peers().retrieval(), caller, largest);
    ReplicaChannels ranking = replicas(config.peers().ranking(), caller, largest);
    return router(
            config.server(),
            channels,
            users,
            catalog,
            new Live(
                new StageReplicas(rewrite::get, retrieval::get, ranking::get),
                config.router(),
                config.recording()))
        .closing(rewrite)
        .closing(retrieval)
        .closing(ranking);
  }

  private ReplicaChannels replicas(String target, Caller caller, int maxMessageBytes) {
    return new ReplicaChannels(
        target, replica -> ClientChannels.openReplica(replica, caller, maxMessageBytes, telemetry));
  }

  /**
   * What a router that is operated needs beside.
   *
   * @param replicas where each replica of the stages is; null where each stage is one
   * @param pages what it keeps for further pages
   * @param recording what is recorded of its requests
   */
  private record Live(
      @Nullable StageReplicas replicas, RouterConfig pages, RecordingConfig recording) {
    static final Live NONE = new Live(null, RouterConfig.defaults(), RecordingConfig.none());
  }

  private EspalierServer.Builder router(
      ServerConfig config,
      StageChannels channels,
      UserStateStore users,
      @Nullable Channel catalog,
      Live live) {
    if (catalog == null) {
      return routerOver(config, channels, users, id -> deployment.data().item(id), live);
    }
    FollowedItems items =
        new FollowedItems(
            deployment.data(),
            catalog,
            snapshots("router"),
            telemetry.getMeter("io.espalier.catalog"));
    return routerOver(config, channels, users, items::item, live).closing(items);
  }

  private EspalierServer.Builder routerOver(
      ServerConfig config,
      StageChannels channels,
      UserStateStore users,
      Function<String, Optional<CatalogItem>> items,
      Live live) {
    RouterComponent.Builder router =
        RouterComponent.builder(channels, users)
            .catalogue(items::apply)
            .config(live.pages())
            .recording(live.recording())
            .openTelemetry(telemetry);
    if (live.replicas() != null) {
      router.replicas(live.replicas());
    }
    deployment.routes().forEach(route -> router.route(route.yaml(), route.source()));
    if (!events.isOn()) {
      return installed(router, config).closing(users);
    }
    EventJournal journal =
        EventJournal.start(
            RecordLogs.later("events.log", events.place(), 1),
            users.keys(),
            events.queue(),
            EVENTS_DRAIN,
            telemetry.getMeter("io.espalier.router"));
    try {
      // The journal first: what it has still to write is sealed with the users' keys.
      return installed(router.journal(journal), config).closing(users).closing(journal);
    } catch (RuntimeException e) {
      journal.close();
      throw e;
    }
  }

  private EspalierServer.Builder installed(RouterComponent.Builder router, ServerConfig config) {
    RouterComponent component = router.build();
    return component.install(builder("router", config)).adminService(component.adminService());
  }

  /**
   * Asks the routes over channels to the stages, so that neither they nor the router are cold when
   * the router lets callers in. It goes through a router of its own: nothing is remembered of it.
   */
  public void warmUp(StageChannels channels) throws IOException {
    StageServers untold = withTelemetry(OpenTelemetry.noop()).withEvents(EventSettings.defaults());
    try (EspalierServer warming =
        untold
            .router(ServerConfig.defaults(), channels, EmbeddedUserStates.inMemory(1), null)
            .buildInProcess("warm-up-" + UUID.randomUUID())
            .start()) {
      ManagedChannel channel = ClientChannels.open(warming.target());
      try {
        new WarmUp(channel, deployment).run();
      } finally {
        channel.shutdownNow();
      }
    }
  }

  private EspalierServer.Builder builder(String name, ServerConfig config) {
    return EspalierServer.builder(name, config).openTelemetry(telemetry);
  }

  /**
   * Reads a route file as a router would, without any stage behind it.
   *
   * @throws io.espalier.server.ConfigException when a router would refuse it
   */
  public static RouteText checkRoute(Path file) {
    ManagedChannel nowhere = ClientChannels.open("in-process:none");
    try {
      RouterComponent router =
          RouterComponent.builder(
                  new StageChannels(nowhere, nowhere, nowhere), EmbeddedUserStates.inMemory(1))
              .catalogue(id -> Optional.empty())
              .routes(file)
              .build();
      RouteText route = RouteText.read(file);
      if (!router.bundles().equals(route.bundles())) {
        throw new IllegalStateException(
            file
                + ": the router asks for "
                + router.bundles()
                + ", the composition would serve "
                + route.bundles());
      }
      return route;
    } finally {
      nowhere.shutdownNow();
    }
  }

  /** The routes' names, for a person. */
  public List<String> routes() {
    return deployment.routes().stream().map(RouteText::name).toList();
  }
}
