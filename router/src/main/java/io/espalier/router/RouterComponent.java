package io.espalier.router;

import io.espalier.bundles.BundleId;
import io.espalier.router.events.EventJournal;
import io.espalier.server.ConfigException;
import io.espalier.server.EspalierServer;
import io.espalier.server.RequestException;
import io.espalier.stores.users.UserStateException;
import io.espalier.stores.users.UserStateStore;
import io.grpc.BindableService;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.metrics.Meter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A router, composed: route files, the channels to the stages, the users' state and, where routes
 * have rules that read attributes, the catalogue.
 *
 * <p>Building it reads and checks every route file and compiles the request rules; what is built is
 * ready. A stage that is down makes answers degraded, never the router unready.
 */
public final class RouterComponent {
  private static final Logger log = LoggerFactory.getLogger(RouterComponent.class);

  private final LiveRoutes routes;
  private final RouterService service;
  private final RouteAdminService admin;
  private final @Nullable Recorder recorder;

  private RouterComponent(Builder builder) {
    requireCatalogue(builder.plans, builder.catalogue);
    Meter meter = builder.openTelemetry.getMeter("io.espalier.router");
    RouterMetrics metrics = new RouterMetrics(meter);
    tell(metrics, builder.plans);
    StageReplicas replicas = builder.replicas;
    StageReadiness readiness =
        new StageReadiness(replicas == null ? StageReplicas.of(builder.channels) : replicas);
    this.routes =
        new LiveRoutes(
            new RouteTable(builder.plans),
            plans -> {
              try {
                requireCatalogue(plans, builder.catalogue);
              } catch (ConfigException e) {
                throw RequestException.invalidArgument(String.valueOf(e.getMessage()));
              }
              readiness.require(plans);
              tell(metrics, plans);
            },
            builder.clock);
    this.admin = new RouteAdminService(routes);
    this.recorder = recorder(builder);
    byte[] key = builder.config.key();
    if (key.length == 0) {
      key = new byte[32];
      new SecureRandom().nextBytes(key);
    }
    // One virtual thread a look-up: a slow store holds up only those who wait for it.
    Executor lookups = task -> Thread.ofVirtual().name("user-state").start(task);
    RouteRunner runner = runner(builder, metrics, lookups);
    // Second tries of copies have a budget of their own.
    Shadows shadows =
        new Shadows(runner(builder, metrics, lookups), new ShadowMetrics(meter));
    RequestValidator validator = new RequestValidator();
    PinnedLists lists = new PinnedLists(builder.config.pinnedItems(), builder.clock);
    this.service =
        new RouterService(
            validator,
            new Router(
                routes,
                runner,
                lists,
                new PageTokens(key, builder.clock),
                new Impressions(builder.journal),
                metrics,
                shadows,
                recorder,
                builder.catalogue,
                builder.clock),
            new WhyNot(routes, runner, builder.channels, builder.catalogue),
            new UserRecords(builder.users, lists, builder.journal, builder.clock));
  }

  private static RouteRunner runner(Builder builder, RouterMetrics metrics, Executor lookups) {
    return new RouteRunner(
        builder.channels,
        builder.users,
        new CallerRules(builder.catalogue),
        new Retries(metrics),
        lookups);
  }

  private static void tell(RouterMetrics metrics, Collection<RoutePlan> plans) {
    for (RoutePlan plan : plans) {
      plan.arms().forEach(arm -> metrics.route(plan.name(), arm.name()));
    }
  }

  private static @Nullable Recorder recorder(Builder builder) {
    if (builder.recording.folder().isEmpty()) {
      return null;
    }
    try {
      return Recorder.start(builder.recording, builder.clock);
    } catch (IOException e) {
      throw new ConfigException(
          "recording.folder: %s: cannot be made (%s)"
              .formatted(builder.recording.folder(), e.getMessage()));
    }
  }

  private static void requireCatalogue(Collection<RoutePlan> plans, @Nullable Catalogue catalogue) {
    for (RoutePlan plan : plans) {
      for (Route route : plan.routes()) {
        if (catalogue == null && route.needsCatalogue()) {
          throw new ConfigException(
              "route %s: rules that read items, or cached answers (expected: none, or a router with the catalogue)"
                  .formatted(plan.name()));
        }
      }
    }
  }

  public static Builder builder(StageChannels channels, UserStateStore users) {
    return new Builder(channels, users);
  }

  /** Every bundle that a route can ask for: what the stages must serve. */
  public Set<BundleId> bundles() {
    return routes.now().table().bundles();
  }

  /** The routes' names. */
  public List<String> routes() {
    return routes.now().table().plans().stream().map(RoutePlan::name).toList();
  }

  /** The gRPC service. */
  public BindableService service() {
    return service;
  }

  /** The gRPC service that changes the routes. */
  public BindableService adminService() {
    return admin;
  }

  /** Adds the router to a server, and what is to be closed after its last call. */
  public EspalierServer.Builder install(EspalierServer.Builder server) {
    Recorder recording = recorder;
    if (recording != null) {
      server.closing(recording);
    }
    return server
        .service(service)
        .exceptionRule(UserStateException.class, RouterComponent::unchanged)
        .readiness("routes", () -> true);
  }

  private static RequestException unchanged(UserStateException failure) {
    // Without the trace: while a store is away there is one for every change.
    log.warn(
        "a user's state was not changed: {}: {}",
        failure.getMessage(),
        String.valueOf(failure.getCause()));
    return RequestException.unavailable("user state: cannot be changed at present; try again");
  }

  /** What a router is made of. */
  public static final class Builder {
    private final StageChannels channels;
    private final UserStateStore users;
    private final List<RoutePlan> plans = new ArrayList<>();
    private @Nullable Catalogue catalogue;
    private RouterConfig config = RouterConfig.defaults();
    private @Nullable EventJournal journal;
    private OpenTelemetry openTelemetry = OpenTelemetry.noop();
    private InstantSource clock = InstantSource.system();
    private RecordingConfig recording = RecordingConfig.none();
    private @Nullable StageReplicas replicas;

    private Builder(StageChannels channels, UserStateStore users) {
      this.channels = Objects.requireNonNull(channels, "channels");
      this.users = Objects.requireNonNull(users, "users");
    }

    /** A route file, or a directory of them ({@code *.yaml}). */
    public Builder routes(Path path) {
      if (!Files.isDirectory(path)) {
        plans.add(RouteFile.read(path));
        return this;
      }
      try (Stream<Path> files = Files.list(path)) {
        files
            .filter(file -> file.toString().endsWith(".yaml"))
            .sorted()
            .forEach(file -> plans.add(RouteFile.read(file)));
        return this;
      } catch (IOException e) {
        throw new ConfigException("%s: not readable (%s)".formatted(path, e.getMessage()));
      }
    }

    /** A route as YAML text; {@code source} names it in errors. */
    public Builder route(String yaml, String source) {
      plans.add(RouteFile.parse(yaml, source));
      return this;
    }

    /** Where attributes of items are found. */
    public Builder catalogue(Catalogue itemCatalogue) {
      this.catalogue = itemCatalogue;
      return this;
    }

    public Builder config(RouterConfig routerConfig) {
      this.config = routerConfig;
      return this;
    }

    /** Where pages and what users did are logged; stays the caller's. Without it nothing is. */
    public Builder journal(EventJournal eventJournal) {
      this.journal = eventJournal;
      return this;
    }

    public Builder openTelemetry(OpenTelemetry telemetry) {
      this.openTelemetry = telemetry;
      return this;
    }

    /** What is recorded of the requests. */
    public Builder recording(RecordingConfig recorded) {
      this.recording = recorded;
      return this;
    }

    /** Where every replica of the stages is; else each stage is one. */
    public Builder replicas(StageReplicas all) {
      this.replicas = all;
      return this;
    }

    Builder clock(InstantSource source) {
      this.clock = source;
      return this;
    }

    /** Throws {@link ConfigException} when the routes do not fit together. */
    public RouterComponent build() {
      return new RouterComponent(this);
    }
  }
}
