package io.espalier.router;

import io.espalier.bundles.BundleId;
import io.espalier.server.ConfigException;
import io.espalier.server.EspalierServer;
import io.espalier.server.RequestException;
import io.espalier.stores.users.UserStateException;
import io.espalier.stores.users.UserStateStore;
import io.grpc.BindableService;
import io.opentelemetry.api.OpenTelemetry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.ArrayList;
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

  private final RouteTable routes;
  private final RouterService service;

  private RouterComponent(Builder builder) {
    this.routes = new RouteTable(builder.plans);
    for (RoutePlan plan : routes.plans()) {
      for (RoutePlan.Arm arm : plan.arms()) {
        if (builder.catalogue == null && arm.route().needsCatalogue()) {
          throw new ConfigException(
              "route %s: rules that read items, or cached answers (expected: none, or a router with the catalogue)"
                  .formatted(plan.name()));
        }
      }
    }
    byte[] key = builder.config.key();
    if (key.length == 0) {
      key = new byte[32];
      new SecureRandom().nextBytes(key);
    }
    // One virtual thread a look-up: a slow store holds up only those who wait for it.
    Executor lookups = task -> Thread.ofVirtual().name("user-state").start(task);
    RouterMetrics metrics = new RouterMetrics(builder.openTelemetry.getMeter("io.espalier.router"));
    RouteRunner runner =
        new RouteRunner(
            builder.channels,
            builder.users,
            new CallerRules(builder.catalogue),
            new Retries(metrics),
            lookups);
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
                metrics,
                builder.catalogue,
                builder.clock),
            new WhyNot(routes, runner, builder.channels, builder.catalogue),
            new UserRecords(builder.users, lists, builder.clock));
  }

  public static Builder builder(StageChannels channels, UserStateStore users) {
    return new Builder(channels, users);
  }

  /** Every bundle that a route can ask for: what the stages must serve. */
  public Set<BundleId> bundles() {
    return routes.bundles();
  }

  /** The routes' names. */
  public List<String> routes() {
    return routes.plans().stream().map(RoutePlan::name).toList();
  }

  /** The gRPC service. */
  public BindableService service() {
    return service;
  }

  /** Adds the router to a server. */
  public EspalierServer.Builder install(EspalierServer.Builder server) {
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
    private OpenTelemetry openTelemetry = OpenTelemetry.noop();
    private InstantSource clock = InstantSource.system();

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

    public Builder openTelemetry(OpenTelemetry telemetry) {
      this.openTelemetry = telemetry;
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
