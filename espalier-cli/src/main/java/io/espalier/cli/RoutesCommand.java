package io.espalier.cli;

import io.espalier.admin.v1.AbortCanaryRequest;
import io.espalier.admin.v1.ApplyRoutesRequest;
import io.espalier.admin.v1.ArmShare;
import io.espalier.admin.v1.ListRoutesRequest;
import io.espalier.admin.v1.ListRoutesResponse;
import io.espalier.admin.v1.PromoteCanaryRequest;
import io.espalier.admin.v1.RevisionInfo;
import io.espalier.admin.v1.RollBackRoutesRequest;
import io.espalier.admin.v1.RollBackRoutesResponse;
import io.espalier.admin.v1.RouteAdminServiceGrpc;
import io.espalier.admin.v1.RouteAdminServiceGrpc.RouteAdminServiceBlockingStub;
import io.espalier.admin.v1.RouteFile;
import io.espalier.admin.v1.RouteStatus;
import io.espalier.admin.v1.StartCanaryRequest;
import io.espalier.cli.show.Table;
import io.espalier.cli.show.Table.Side;
import io.espalier.cli.show.Terminal;
import io.espalier.server.ReplicaAddress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code espalier routes list|show|apply|rollback|canary|promote|abort}. */
@Command(
    name = "routes",
    description = "The routes of running routers: which bundle versions answer whom.",
    synopsisSubcommandLabel = "COMMAND",
    footerHeading = "%nExamples:%n",
    footer = {
      "  ./espalier routes list",
      "  ./espalier routes show shop-feed > shop-feed.yaml",
      "  ./espalier routes apply shop-feed.yaml         refused unless every stage has its bundles",
      "  ./espalier routes rollback                     to those before",
      "  ./espalier routes canary shop-feed shop-tiger@2 --share 5",
      "  ./espalier routes canary shop-feed --share 20  the same, for more of the users",
      "  ./espalier routes promote shop-feed            or: abort",
      "  ./espalier routes list --target 10.0.0.7:7700 --target 10.0.0.8:7700",
      "  ./espalier routes apply shop-feed.yaml --target dns:///router:7700   at every router"
    })
final class RoutesCommand {
  private static final Duration PATIENCE = Duration.ofSeconds(30);

  private final Terminal terminal;

  RoutesCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Command(
      name = "list",
      mixinStandardHelpOptions = true,
      description = "Lists the routes, and the revisions that can be returned to.")
  int list(@Mixin AdminTargets routers) {
    for (ReplicaAddress router : routers.all()) {
      ListRoutesResponse routes = routes(routers, router);
      terminal.out().println(router.target() + ": revision " + routes.getRevision());
      Table table =
          new Table()
              .column("route", Side.LEFT)
              .column("arms", Side.LEFT)
              .column("bundles", Side.LEFT);
      for (RouteStatus route : routes.getRoutesList()) {
        table.row(
            route.getName(),
            route.getArmsList().stream().map(RoutesCommand::words).collect(Collectors.joining(" ")),
            String.join(" ", route.getBundlesList()));
      }
      terminal.print(table);
      Table earlier =
          new Table()
              .column("earlier", Side.RIGHT)
              .column("applied", Side.LEFT)
              .column("change", Side.LEFT);
      for (RevisionInfo revision : routes.getEarlierList()) {
        earlier.row(
            Long.toString(revision.getRevision()),
            Instant.ofEpochMilli(revision.getAppliedMs()).toString(),
            revision.getChange());
      }
      if (routes.getEarlierCount() > 0) {
        terminal.print(earlier);
      }
    }
    return ExitCode.OK;
  }

  private static String words(ArmShare arm) {
    return String.format(Locale.ROOT, "%s %.4g%%", arm.getName(), 100 * arm.getShare());
  }

  @Command(
      name = "show",
      mixinStandardHelpOptions = true,
      description = "Prints a route as its file would have it.")
  int show(
      @Mixin AdminTargets routers,
      @Parameters(paramLabel = "ROUTE", description = "Its name.") String route) {
    List<RouteStatus> all = routes(routers, routers.all().getFirst()).getRoutesList();
    RouteStatus found =
        all.stream()
            .filter(status -> status.getName().equals(route))
            .findFirst()
            .orElseThrow(
                () ->
                    new ProgramException(
                        ExitCode.FAILED,
                        "route: %s (expected: one of %s)"
                            .formatted(route, all.stream().map(RouteStatus::getName).toList())));
    terminal.out().print(found.getYaml());
    terminal.out().flush();
    return ExitCode.OK;
  }

  @Command(
      name = "apply",
      mixinStandardHelpOptions = true,
      description =
          "Puts route files in the place of the routes of the same names. With several routers all"
              + " are asked first whether they would refuse.")
  int apply(
      @Mixin AdminTargets routers,
      @Parameters(
              paramLabel = "FILE",
              arity = "0..*",
              description = "Route files, or folders of them.")
          @Nullable List<Path> files,
      @Option(
              names = "--remove",
              paramLabel = "ROUTE",
              description = "Takes a route out; may be given again.")
          @Nullable List<String> removed,
      @Option(
              names = "--dry-run",
              description = "Changes nothing: says whether it would be refused.")
          boolean dryRun)
      throws IOException {
    ApplyRoutesRequest.Builder request = ApplyRoutesRequest.newBuilder();
    if (removed != null) {
      request.addAllRemove(removed);
    }
    for (Path file : yaml(files == null ? List.of() : files)) {
      request.addRoutes(
          RouteFile.newBuilder()
              .setSource(file.getFileName().toString())
              .setYaml(Files.readString(file)));
    }
    for (ReplicaAddress router : routers.all()) {
      ask(routers, router, stub -> stub.applyRoutes(request.setDryRun(true).build()));
      if (dryRun) {
        print(router.target() + ": would hold");
      }
    }
    return dryRun
        ? ExitCode.OK
        : change(routers, stub -> stub.applyRoutes(request.setDryRun(false).build()).getRevision());
  }

  private static List<Path> yaml(List<Path> given) throws IOException {
    List<Path> files = new ArrayList<>();
    for (Path path : given) {
      if (Files.isDirectory(path)) {
        try (Stream<Path> all = Files.list(path)) {
          all.filter(file -> file.toString().endsWith(".yaml")).sorted().forEach(files::add);
        }
      } else {
        files.add(path);
      }
    }
    return files;
  }

  @Command(
      name = "rollback",
      mixinStandardHelpOptions = true,
      description = "Returns to the routes before, or to those of an earlier revision.")
  int rollback(
      @Mixin AdminTargets routers,
      @Option(
              names = "--to",
              paramLabel = "REVISION",
              defaultValue = "0",
              description = "Which (default: the one before).")
          long revision) {
    for (ReplicaAddress router : routers.all()) {
      RollBackRoutesResponse back =
          ask(
              routers,
              router,
              stub ->
                  stub.rollBackRoutes(
                      RollBackRoutesRequest.newBuilder().setRevision(revision).build()));
      print(
          "%s: revision %d, the routes of revision %d"
              .formatted(router.target(), back.getRevision(), back.getRestored()));
    }
    return ExitCode.OK;
  }

  @Command(
      name = "canary",
      mixinStandardHelpOptions = true,
      description =
          "Sends a share of a route's users, chosen by hash, to other bundle versions; or changes"
              + " the share.")
  int canary(
      @Mixin AdminTargets routers,
      @Parameters(paramLabel = "ROUTE", description = "Its name.") String route,
      @Parameters(
              paramLabel = "NAME@VERSION",
              arity = "0..*",
              description = "In the place of those of the same names.")
          @Nullable List<String> bundles,
      @Option(
              names = "--share",
              paramLabel = "PERCENT",
              required = true,
              description = "Of the users, above 0 and below 100.")
          double percent) {
    StartCanaryRequest request =
        StartCanaryRequest.newBuilder()
            .setRoute(route)
            .setShare(percent / 100)
            .addAllBundles(bundles == null ? List.of() : bundles)
            .build();
    return change(routers, stub -> stub.startCanary(request).getRevision());
  }

  @Command(
      name = "promote",
      mixinStandardHelpOptions = true,
      description = "Makes the canary the route of all users.")
  int promote(
      @Mixin AdminTargets routers,
      @Parameters(paramLabel = "ROUTE", description = "Its name.") String route) {
    PromoteCanaryRequest request = PromoteCanaryRequest.newBuilder().setRoute(route).build();
    return change(routers, stub -> stub.promoteCanary(request).getRevision());
  }

  @Command(name = "abort", mixinStandardHelpOptions = true, description = "Takes the canary away.")
  int abort(
      @Mixin AdminTargets routers,
      @Parameters(paramLabel = "ROUTE", description = "Its name.") String route) {
    AbortCanaryRequest request = AbortCanaryRequest.newBuilder().setRoute(route).build();
    return change(routers, stub -> stub.abortCanary(request).getRevision());
  }

  private static ListRoutesResponse routes(AdminTargets routers, ReplicaAddress router) {
    return ask(routers, router, stub -> stub.listRoutes(ListRoutesRequest.getDefaultInstance()));
  }

  private static <T> T ask(
      AdminTargets routers,
      ReplicaAddress router,
      Function<RouteAdminServiceBlockingStub, T> call) {
    return routers.ask(
        router,
        channel ->
            call.apply(
                RouteAdminServiceGrpc.newBlockingStub(channel)
                    .withDeadlineAfter(PATIENCE.toMillis(), TimeUnit.MILLISECONDS)));
  }

  /** Makes a change at one router after the other; it gives the revision that holds then. */
  private int change(AdminTargets routers, Function<RouteAdminServiceBlockingStub, Long> change) {
    for (ReplicaAddress router : routers.all()) {
      print(router.target() + ": revision " + ask(routers, router, change));
    }
    return ExitCode.OK;
  }

  private void print(String line) {
    terminal.out().println(line);
    terminal.out().flush();
  }
}
