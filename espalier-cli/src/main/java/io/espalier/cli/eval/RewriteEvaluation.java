package io.espalier.cli.eval;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleId;
import io.espalier.catalog.v1.Filter;
import io.espalier.catalog.v1.ItemIds;
import io.espalier.cli.cluster.Deployment;
import io.espalier.cli.cluster.RouteText;
import io.espalier.cli.show.ProgressBar;
import io.espalier.cli.show.Terminal;
import io.espalier.index.vector.FloatMatrix;
import io.espalier.index.vector.NpyFile;
import io.espalier.retrieval.v1.Candidate;
import io.espalier.retrieval.v1.RetrievalServiceGrpc;
import io.espalier.retrieval.v1.RetrievalServiceGrpc.RetrievalServiceBlockingStub;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.rewrite.v1.RewriteRequest;
import io.espalier.rewrite.v1.RewriteServiceGrpc;
import io.espalier.rewrite.v1.RewriteServiceGrpc.RewriteServiceBlockingStub;
import io.espalier.rewrite.v1.RewrittenQuery;
import io.espalier.router.StageChannels;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.stores.catalog.LoggedQuery;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * BEQUE's three measures of rewrites (WWW'24, 2311.03758), as the recipe {@code beque.py} defines
 * them, through the served stages. Judgments are never read.
 *
 * <ul>
 *   <li>relevance(x, y): mean cosine of query x to the ten best products for its rewrite y;
 *   <li>increment(x, y): relevant products among the hundred best for y that are not among the
 *       hundred best for x, per relevant product among x's own (at least one); relevant = a cosine
 *       above the 90 % quantile of the cosines between products;
 *   <li>hit rate(x, y): share of x's known products among the hundred best for y: those bought for
 *       x in the training log, else the twenty nearest to x by the dense retriever.
 * </ul>
 */
public final class RewriteEvaluation {
  private static final int LIST = 100;
  private static final int HEAD = 10;
  private static final int KNOWN = 20;
  private static final int SAMPLE = 300;
  private static final int SCORED = 4;

  private final RetrievalServiceBlockingStub retrieval;
  private final RewriteServiceBlockingStub rewrite;
  private final BundleId text;
  private final BundleId dense;
  private final double relevantCosine;
  private final Map<String, Set<String>> bought;

  private RewriteEvaluation(
      StageChannels stages, BundleId text, BundleId dense, double relevantCosine, DataFolder data) {
    this.retrieval = RetrievalServiceGrpc.newBlockingStub(stages.retrieval());
    this.rewrite = RewriteServiceGrpc.newBlockingStub(stages.rewrite());
    this.text = text;
    this.dense = dense;
    this.relevantCosine = relevantCosine;
    this.bought = bought(data);
  }

  /**
   * The three measures of every rewriter of a route over {@code queries}, in words; why not, where
   * the route has no text index, dense retriever or rewriter.
   */
  public static List<String> of(
      Deployment deployment,
      RouteText route,
      StageChannels stages,
      List<String> queries,
      int inFlight,
      Terminal terminal) {
    Optional<RewriteEvaluation> evaluation = open(deployment, route, stages);
    if (route.rewriterBundles().isEmpty() || evaluation.isEmpty()) {
      return List.of(
          "rewrites: not measured (expected: a route with rewriters, a text index and a dense"
              + " retriever)");
    }
    List<String> lines = new ArrayList<>();
    for (BundleId rewriter : route.rewriterBundles()) {
      lines.add(evaluation.get().measure(rewriter, queries, inFlight, terminal));
    }
    return lines;
  }

  /** Measures against a route's text index and dense retriever; empty where it lacks one. */
  static Optional<RewriteEvaluation> open(
      Deployment deployment, RouteText route, StageChannels stages) {
    Optional<Bundle> text = source(deployment, route, "TextIndex");
    Optional<Bundle> dense = source(deployment, route, "DenseText");
    if (text.isEmpty() || dense.isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(
        new RewriteEvaluation(
            stages,
            text.get().id(),
            dense.get().id(),
            relevantCosine(vectors(dense.get())),
            deployment.data()));
  }

  /** The dense retriever. */
  BundleId dense() {
    return dense;
  }

  private static Optional<Bundle> source(Deployment deployment, RouteText route, String system) {
    return route.sourceBundles().stream()
        .map(deployment.repository()::get)
        .filter(bundle -> bundle.system().equals(system))
        .findFirst();
  }

  private static FloatMatrix vectors(Bundle dense) {
    try {
      return NpyFile.read(dense.file("item_vectors"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * 90 % quantile of the cosines between evenly spaced products: nearer than nearly all pairs are.
   */
  static double relevantCosine(FloatMatrix vectors) {
    int step = Math.max(1, vectors.rows() / SAMPLE);
    int count = Math.ceilDiv(vectors.rows(), step);
    double[] cosines = new double[count * count];
    for (int i = 0; i < count; i++) {
      for (int j = 0; j < count; j++) {
        cosines[i * count + j] = dot(vectors, i * step, j * step);
      }
    }
    Arrays.sort(cosines);
    // NumPy's default quantile: linear between the two nearest.
    double at = 0.9 * (cosines.length - 1);
    int below = (int) at;
    double above = cosines[Math.min(below + 1, cosines.length - 1)];
    return cosines[below] + (at - below) * (above - cosines[below]);
  }

  private static double dot(FloatMatrix vectors, int a, int b) {
    double sum = 0;
    for (int d = 0; d < vectors.width(); d++) {
      sum += vectors.get(a, d) * vectors.get(b, d);
    }
    return sum;
  }

  private static Map<String, Set<String>> bought(DataFolder data) {
    Map<String, Set<String>> bought = new HashMap<>();
    for (LoggedQuery query : data.queries()) {
      if (query.split() == LoggedQuery.Split.TRAIN && !query.boughtId().isEmpty()) {
        bought.computeIfAbsent(query.query(), unused -> new HashSet<>()).add(query.boughtId());
      }
    }
    return bought;
  }

  /** A rewrite and what it is worth. */
  record Scored(String query, String rewrite, double relevance, double increment, double hitRate) {
    double reward() {
      return relevance + 0.25 * Math.min(increment, 2) + hitRate;
    }
  }

  private String measure(BundleId rewriter, List<String> queries, int inFlight, Terminal terminal) {
    List<List<Scored>> scores = new ArrayList<>();
    queries.forEach(query -> scores.add(List.of()));
    try (ProgressBar progress =
        new ProgressBar(terminal, "rewrites of " + rewriter.name(), queries.size())) {
      InFlight.run(
          queries.size(), inFlight, progress, i -> scores.set(i, score(rewriter, queries.get(i))));
    }
    List<Scored> all = scores.stream().flatMap(List::stream).toList();
    long rewritten = scores.stream().filter(list -> !list.isEmpty()).count();
    return String.format(
        Locale.ROOT,
        "rewrites of %s: %d for %d of %d queries; relevance %.4f, increment %.4f, hit rate %.4f",
        rewriter,
        all.size(),
        rewritten,
        queries.size(),
        all.stream().mapToDouble(Scored::relevance).average().orElse(0),
        all.stream().mapToDouble(Scored::increment).average().orElse(0),
        all.stream().mapToDouble(Scored::hitRate).average().orElse(0));
  }

  private List<Scored> score(BundleId rewriter, String query) {
    return rewrites(rewriter, query, SCORED).stream().map(text -> score(query, text)).toList();
  }

  /** What the rewriter makes of a query, best first. */
  List<String> rewrites(BundleId rewriter, String query, int most) {
    return rewrite
        .withDeadlineAfter(EvalReport.CALL_SECONDS, TimeUnit.SECONDS)
        .rewrite(
            RewriteRequest.newBuilder()
                .setBundle(rewriter.name())
                .setBundleVersion(rewriter.version())
                .setQuery(query)
                .setMaxRewrites(most)
                .build())
        .getRewritesList()
        .stream()
        .map(RewrittenQuery::getText)
        .toList();
  }

  Scored score(String query, String rewritten) {
    List<String> found = List.copyOf(search(text, rewritten, LIST, Set.of()).keySet());
    if (found.isEmpty()) {
      return new Scored(query, rewritten, 0, 0, 0);
    }
    Set<String> own = search(text, query, LIST, Set.of()).keySet();
    Set<String> both = new LinkedHashSet<>(found);
    both.addAll(own);
    Map<String, Double> cosines = search(dense, query, both.size(), both);
    double relevance =
        found.stream()
            .limit(HEAD)
            .mapToDouble(id -> cosines.getOrDefault(id, 0.0))
            .average()
            .orElse(0);
    Set<String> before = relevant(own, cosines);
    Set<String> after = relevant(found, cosines);
    after.removeAll(before);
    Set<String> known = bought.getOrDefault(query, Set.of());
    if (known.isEmpty()) {
      known = search(dense, query, KNOWN, Set.of()).keySet();
    }
    long hits = known.stream().filter(found::contains).count();
    return new Scored(
        query,
        rewritten,
        relevance,
        (double) after.size() / Math.max(1, before.size()),
        (double) hits / Math.max(1, known.size()));
  }

  private Set<String> relevant(Iterable<String> items, Map<String, Double> cosines) {
    Set<String> relevant = new HashSet<>();
    for (String item : items) {
      if (cosines.getOrDefault(item, -1.0) > relevantCosine) {
        relevant.add(item);
      }
    }
    return relevant;
  }

  /** Scores by item, best first; only of {@code among} where that is not empty. */
  private Map<String, Double> search(BundleId source, String query, int k, Set<String> among) {
    RetrieveRequest.Builder request =
        RetrieveRequest.newBuilder()
            .setBundle(source.name())
            .setBundleVersion(source.version())
            .setK(k)
            .setQuery(query);
    if (!among.isEmpty()) {
      request.setFilter(Filter.newBuilder().setIds(ItemIds.newBuilder().addAllIds(among)));
    }
    Map<String, Double> found = new LinkedHashMap<>();
    for (Candidate candidate :
        retrieval
            .withDeadlineAfter(EvalReport.CALL_SECONDS, TimeUnit.SECONDS)
            .retrieve(request.build())
            .getCandidatesList()) {
      found.put(candidate.getItemId(), candidate.getScore());
    }
    return found;
  }
}
