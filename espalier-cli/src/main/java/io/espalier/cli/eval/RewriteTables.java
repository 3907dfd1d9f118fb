package io.espalier.cli.eval;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleId;
import io.espalier.cli.cluster.Deployment;
import io.espalier.cli.cluster.RouteText;
import io.espalier.cli.eval.RewriteEvaluation.Scored;
import io.espalier.cli.show.ProgressBar;
import io.espalier.cli.show.Terminal;
import io.espalier.router.StageChannels;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/**
 * Makes the rewrite tables that BEQUE bundles of real data come without: the model's own beams for
 * a folder's queries, sifted by rejection sampling as the recipe {@code beque.py} does it. A
 * rewrite y of a query x is kept when it means the same (cosine ≥ 0.5), is about as relevant as x
 * itself (at most 0.03 less) and adds something (increment above 0.1, or a better hit rate than x's
 * own); the three with the best reward stay. Judgments are never read.
 */
public final class RewriteTables {
  private static final int CANDIDATES = 16;
  private static final int KEPT = 3;
  private static final double SAME_MEANING = 0.5;
  private static final double RELEVANCE_LOSS = 0.03;
  private static final double LEAST_INCREMENT = 0.1;

  private RewriteTables() {}

  /**
   * The BEQUE bundles of a route that have no table, neither their own nor one in {@code folder}.
   */
  public static List<Bundle> missing(Deployment deployment, RouteText route, Path folder) {
    return route.rewriterBundles().stream()
        .map(deployment.repository()::get)
        .filter(bundle -> bundle.system().equals("BEQUE"))
        .filter(bundle -> !bundle.hasFile("table") && !Files.exists(file(folder, bundle.id())))
        .toList();
  }

  private static Path file(Path folder, BundleId bundle) {
    return folder
        .resolve(bundle.name())
        .resolve(Integer.toString(bundle.version()))
        .resolve("table.tsv");
  }

  /** Writes a bundle's table for {@code queries}; returns a line that says how many rows it has. */
  public static String make(
      Deployment deployment,
      RouteText route,
      Bundle rewriter,
      StageChannels stages,
      List<String> queries,
      Path folder,
      int inFlight,
      Terminal terminal) {
    RewriteEvaluation evaluation = RewriteEvaluation.open(deployment, route, stages).orElse(null);
    if (evaluation == null) {
      return "rewrite table of "
          + rewriter.id()
          + ": not made (expected: a text index and a dense retriever)";
    }
    List<List<Scored>> rows = new ArrayList<>();
    queries.forEach(query -> rows.add(List.of()));
    try (QueryVectors vectors =
            QueryVectors.of(
                deployment.repository(), deployment.repository().get(evaluation.dense()));
        ProgressBar progress = new ProgressBar(terminal, "rewrite table", queries.size())) {
      InFlight.run(
          queries.size(),
          inFlight,
          progress,
          i -> rows.set(i, kept(evaluation, vectors, rewriter.id(), queries.get(i))));
    }
    Path file = file(folder, rewriter.id());
    List<String> lines =
        rows.stream().flatMap(List::stream).map(RewriteTables::line).distinct().toList();
    try {
      Files.createDirectories(file.getParent());
      Files.write(file, lines);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return String.format(
        Locale.ROOT,
        "rewrite table of %s: %d rows for %d of %d queries, made now from the model's own beams"
            + " into %s",
        rewriter.id(),
        lines.size(),
        rows.stream().filter(list -> !list.isEmpty()).count(),
        queries.size(),
        file);
  }

  private static List<Scored> kept(
      RewriteEvaluation evaluation, QueryVectors vectors, BundleId rewriter, String query) {
    Scored own = evaluation.score(query, query);
    return evaluation.rewrites(rewriter, query, CANDIDATES).stream()
        .filter(text -> !text.equalsIgnoreCase(query))
        .filter(text -> vectors.cosine(query, text) >= SAME_MEANING)
        .map(text -> evaluation.score(query, text))
        .filter(
            scored ->
                scored.relevance() >= own.relevance() - RELEVANCE_LOSS
                    && (scored.increment() > LEAST_INCREMENT || scored.hitRate() > own.hitRate()))
        .sorted(Comparator.comparingDouble(Scored::reward).reversed())
        .limit(KEPT)
        .toList();
  }

  private static String line(Scored scored) {
    return String.format(
        Locale.ROOT,
        "%s\t%s\t%.4f\t%.4f\t%.4f",
        scored.query(),
        scored.rewrite(),
        scored.relevance(),
        scored.increment(),
        scored.hitRate());
  }
}
