package io.espalier.cli;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleManifest.Shape;
import io.espalier.bundles.BundleRepository;
import io.espalier.cli.cluster.Cluster;
import io.espalier.cli.cluster.Deployment;
import io.espalier.cli.cluster.RouteText;
import io.espalier.cli.cluster.StageServers;
import io.espalier.cli.cluster.UserStates;
import io.espalier.cli.eval.EvalReport;
import io.espalier.cli.eval.ExposureReport;
import io.espalier.cli.eval.FeedEvaluation;
import io.espalier.cli.eval.RewriteEvaluation;
import io.espalier.cli.eval.RewriteTables;
import io.espalier.cli.eval.SearchEvaluation;
import io.espalier.cli.eval.SourceUnderTest;
import io.espalier.cli.show.Terminal;
import io.espalier.stores.catalog.Judgment;
import io.espalier.stores.users.EmbeddedUserStates;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code espalier eval}. */
@Command(
    name = "eval",
    description = {
      "Measures a route and each of its sources through the gRPC services of a cluster in this"
          + " process.",
      "Feed: leave-one-out over every user, full ranking. Search: the data folder's judgments."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  ./espalier eval --data ../shared/data/amazon-beauty --route feed",
      "  ./espalier eval --data ../shared/data/chorus-electronics --route search",
      "  ./espalier eval --route feed --exposure            also how much of the catalogue is shown",
      "  ./espalier eval --route feed --users 2000          the built-in shop, 2,000 evenly spaced"
          + " users",
      "  ./espalier eval --data DIR --route feed --json     one object a line; remarks go to"
          + " standard error"
    })
final class EvalCommand implements Callable<Integer> {
  /** The longest list that is looked at. */
  private static final int DEPTH = 100;

  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private final Terminal terminal;
  private final Home home;

  @Option(
      names = "--route",
      required = true,
      paramLabel = "ROUTE",
      description = "feed or search (the folder's default route of that kind), or a route's name.")
  String wanted = "";

  @Option(
      names = "--sources",
      split = ",",
      paramLabel = "NAME@VERSION",
      description = "Bundles to measure beside the sources of a feed route.")
  List<String> further = List.of();

  @Option(
      names = "--users",
      paramLabel = "N",
      defaultValue = "2147483647",
      description = "At most this many users, evenly spaced (default: all).")
  int users;

  @Option(
      names = "--in-flight",
      paramLabel = "N",
      defaultValue = "16",
      description = "Calls at one time (default: ${DEFAULT-VALUE}).")
  int inFlight;

  @Option(
      names = "--exposure",
      description =
          "Say also how much of the catalogue each list of a feed route reaches, and how unevenly.")
  boolean exposure;

  @Option(
      names = "--json",
      description = "One JSON object a source on standard output; the rest on standard error.")
  boolean json;

  @Mixin ClusterOptions options = new ClusterOptions();

  EvalCommand(Terminal terminal, Home home) {
    this.terminal = terminal;
    this.home = home;
  }

  @Override
  public Integer call() {
    atLeastOne("--users", users);
    atLeastOne("--in-flight", inFlight);
    Deployment all = options.deployment(home, terminal);
    RouteText route = route(all).withoutBudgets();
    if (exposure && !route.kind().equals("feed")) {
      throw ofFeedOnly("--exposure", route);
    }
    Deployment deployment =
        new Deployment(all.repository(), all.data(), List.of(route), further(all, route));
    remark("time budgets are lifted: figures are of quality, not of time");
    EvalReport report =
        switch (route.kind()) {
          case "feed" -> feed(deployment, route);
          case "search" -> search(deployment, route);
          default ->
              throw new ProgramException(
                  ExitCode.FAILED,
                  "route "
                      + route.name()
                      + ": kind "
                      + route.kind()
                      + " (expected: feed or search)");
        };
    report.degradations().forEach(this::remark);
    if (json) {
      report.printJson(terminal);
    } else {
      terminal.out().println();
      terminal.print(report.table());
    }
    if (exposure) {
      report.exposure().ifPresent(this::print);
    }
    return ExitCode.OK;
  }

  private void print(ExposureReport exposures) {
    if (json) {
      exposures.printJson(terminal);
    } else {
      terminal.out().println();
      terminal.print(exposures.table());
    }
  }

  private static void atLeastOne(String option, int value) {
    if (value < 1) {
      throw new ProgramException(
          ExitCode.USAGE, "%s: %d (expected: 1 or more)".formatted(option, value));
    }
  }

  private static ProgramException ofFeedOnly(String option, RouteText route) {
    return new ProgramException(
        ExitCode.USAGE, option + ": with a " + route.kind() + " route (expected: a feed route)");
  }

  /** The sources that the command line adds to those of the route. */
  private List<BundleId> further(Deployment deployment, RouteText route) {
    if (!further.isEmpty() && !route.kind().equals("feed")) {
      throw ofFeedOnly("--sources", route);
    }
    List<BundleId> ids = new ArrayList<>();
    for (String text : further) {
      BundleId id;
      try {
        id = BundleId.parse(text);
      } catch (IllegalArgumentException e) {
        throw new ProgramException(ExitCode.USAGE, "--sources: " + e.getMessage());
      }
      String fingerprint = deployment.repository().get(id).manifest().data().fingerprint();
      if (!fingerprint.equals(deployment.data().fingerprint())) {
        throw new ProgramException(
            ExitCode.USAGE,
            "--sources: %s is of another catalogue, %s (expected: %s)"
                .formatted(id, fingerprint, deployment.data().fingerprint()));
      }
      if (!ids.contains(id) && !route.sourceBundles().contains(id)) {
        ids.add(id);
      }
    }
    return ids;
  }

  private RouteText route(Deployment deployment) {
    Optional<RouteText> named =
        deployment.routes().stream().filter(route -> route.name().equals(wanted)).findFirst();
    List<RouteText> ofKind =
        deployment.routes().stream().filter(route -> route.kind().equals(wanted)).toList();
    Optional<RouteText> byDefault =
        ofKind.stream().filter(route -> route.isDefault() || ofKind.size() == 1).findFirst();
    return named
        .or(() -> byDefault)
        .orElseThrow(
            () ->
                new ProgramException(
                    ExitCode.MISSING,
                    "--route: "
                        + wanted
                        + " (expected: feed or search, or one of "
                        + deployment.routes().stream()
                            .map(RouteText::name)
                            .collect(Collectors.joining(", "))
                        + ")"));
  }

  private EvalReport feed(Deployment deployment, RouteText route) {
    BundleRepository repository = deployment.repository();
    List<SourceUnderTest> sources = new ArrayList<>();
    List<String> beams = new ArrayList<>();
    List<RouteText.Source> tested = new ArrayList<>(route.sources());
    deployment.further().forEach(id -> tested.add(new RouteText.Source(id, 0, 0, "")));
    for (RouteText.Source source : tested) {
      Bundle bundle = repository.get(source.bundle());
      boolean generative = bundle.manifest().shape() == Shape.GENERATE;
      int beam = generative ? beam(source, bundle) : 0;
      if (generative) {
        beams.add(bundle.name() + " " + beam);
      }
      // A beam search ends in about as many items as it has beams, but where vectors choose among
      // the many items under each.
      boolean oneItemABeam = generative && !bundle.hasFile("item_vectors");
      int depth = oneItemABeam ? Math.min(DEPTH, beam) : DEPTH;
      sources.add(source(bundle.name(), source.bundle(), depth, beam));
    }
    try (Cluster cluster = start(deployment)) {
      FeedEvaluation evaluation =
          new FeedEvaluation(
              deployment.data(),
              cluster.router(),
              cluster.stages().retrieval(),
              route.name(),
              route.maskSeen(),
              users,
              inFlight,
              terminal);
      remark(
          String.format(
              Locale.ROOT,
              "route %s on %s: %,d users, leave-one-out (the input is all but the last item), full"
                  + " ranking of %,d items",
              route.name(),
              Home.shown(deployment.data().directory()),
              evaluation.users(),
              deployment.data().items().size()));
      remark(
          "seen items are "
              + (route.maskSeen() ? "masked, for every source and the route alike" : "not masked")
              + (beams.isEmpty() ? "" : "; beam width: " + String.join(", ", beams)));
      EvalReport report = evaluation.run(sources);
      if (exposure) {
        tested.forEach(source -> codedItems(deployment, repository.get(source.bundle())));
      }
      report.routeAgainstBestSource().forEach(this::remark);
      report.shareOfOracle().forEach(this::remark);
      return report;
    }
  }

  /** An item without a semantic id is one that no request can reach through the bundle. */
  private void codedItems(Deployment deployment, Bundle bundle) {
    if (!bundle.hasFile("semantic_ids")) {
      return;
    }
    try (Stream<String> coded = Files.lines(bundle.file("semantic_ids"))) {
      remark(
          String.format(
              Locale.ROOT,
              "%s: %,d of %,d items have a semantic id, the others cannot be reached through it",
              bundle.name(),
              coded.count(),
              deployment.data().items().size()));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static int beam(RouteText.Source source, Bundle bundle) {
    return source.beam() > 0 ? source.beam() : bundle.parameters().integer("beam");
  }

  private EvalReport search(Deployment deployment, RouteText route) {
    if (deployment.data().judgments().isEmpty()) {
      throw new ProgramException(
          ExitCode.MISSING,
          "--data: "
              + deployment.data().directory()
              + " has no judgments.tsv (expected: query, id, grade)");
    }
    BundleRepository repository = deployment.repository();
    List<SourceUnderTest> sources = new ArrayList<>();
    for (RouteText.Source source : route.sources()) {
      Bundle bundle = repository.get(source.bundle());
      String label = bundle.system().equals("TextIndex") ? "bm25" : bundle.name();
      sources.add(source(label, source.bundle(), DEPTH, 0));
    }
    makeTables(deployment, route);
    RouteText withoutRewrite = route.withoutRewriters(route.name() + "-no-rewrite");
    try (Cluster cluster = start(deployment.with(List.of(withoutRewrite)))) {
      SearchEvaluation evaluation =
          new SearchEvaluation(
              deployment.data(),
              cluster.router(),
              cluster.stages().retrieval(),
              inFlight,
              terminal);
      remark(
          String.format(
              Locale.ROOT,
              "route %s on %s: %,d queries with a positive grade, %,d items; gain 2^grade − 1,"
                  + " ideal over all judged products, unjudged products are grade 0",
              route.name(),
              Home.shown(deployment.data().directory()),
              evaluation.queries().size(),
              deployment.data().items().size()));
      EvalReport report = evaluation.run(sources, withoutRewrite.name(), route.name());
      evaluation.remarks(report, "bm25").forEach(this::remark);
      RewriteEvaluation.of(
              deployment, route, cluster.stages(), evaluation.queries(), inFlight, terminal)
          .forEach(this::remark);
      return report;
    }
  }

  /**
   * Rewrite tables of real data hold its words, so they are not committed: made here on first use.
   */
  private void makeTables(Deployment deployment, RouteText route) {
    List<Bundle> missing = RewriteTables.missing(deployment, route, home.rewriteTables());
    if (missing.isEmpty()) {
      return;
    }
    List<String> queries =
        deployment.data().judgments().stream().map(Judgment::query).distinct().toList();
    try (Cluster cluster = start(deployment)) {
      for (Bundle rewriter : missing) {
        remark(
            RewriteTables.make(
                deployment,
                route,
                rewriter,
                cluster.stages(),
                queries,
                home.rewriteTables(),
                inFlight,
                terminal));
      }
    }
  }

  private static SourceUnderTest source(String label, BundleId bundle, int k, int beam) {
    return new SourceUnderTest(label, bundle.name(), bundle.version(), k, beam);
  }

  private Cluster start(Deployment deployment) {
    StageServers servers =
        new StageServers(deployment, home.rewriteTables())
            .withEngine(options.engine())
            .withRewriteModelBudget(PATIENCE);
    return Cluster.inProcess(servers, EmbeddedUserStates.inMemory(UserStates.EVENTS));
  }

  private void remark(String line) {
    PrintWriter to = json ? terminal.err() : terminal.out();
    to.println(line);
    to.flush();
  }
}
