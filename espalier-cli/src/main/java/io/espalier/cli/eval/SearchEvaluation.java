package io.espalier.cli.eval;

import io.espalier.cli.show.ProgressBar;
import io.espalier.cli.show.Terminal;
import io.espalier.retrieval.v1.Candidate;
import io.espalier.retrieval.v1.RetrievalServiceGrpc;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.retrieval.v1.RetrieveResponse;
import io.espalier.router.v1.ExplanationLevel;
import io.espalier.router.v1.ListOptions;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.SearchResponse;
import io.espalier.stores.catalog.CatalogItem;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.stores.catalog.Judgment;
import io.grpc.Channel;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/**
 * Graded search judgments, every query with a positive grade: NDCG with the ideal over all judged
 * products, unjudged products as grade 0. Sources are asked by themselves through the retrieval
 * service, routes through the router.
 */
public final class SearchEvaluation {
  private static final int TOP = 10;

  private final Channel router;
  private final Channel retrieval;
  private final int inFlight;
  private final Terminal terminal;
  private final List<String> queries;
  private final List<Map<String, Integer>> grades;
  private final Set<String> catalogue;

  /** An evaluation on the judgments of {@code data}. */
  public SearchEvaluation(
      DataFolder data, Channel router, Channel retrieval, int inFlight, Terminal terminal) {
    this.router = router;
    this.retrieval = retrieval;
    this.inFlight = inFlight;
    this.terminal = terminal;
    this.catalogue =
        data.items().stream().map(CatalogItem::id).collect(Collectors.toUnmodifiableSet());
    Map<String, Map<String, Integer>> byQuery = new LinkedHashMap<>();
    for (Judgment judgment : data.judgments()) {
      byQuery
          .computeIfAbsent(judgment.query(), query -> new LinkedHashMap<>())
          .merge(judgment.itemId(), judgment.grade(), Math::max);
    }
    byQuery.values().removeIf(judged -> judged.values().stream().allMatch(grade -> grade == 0));
    this.queries = List.copyOf(byQuery.keySet());
    this.grades =
        queries.stream().map(query -> Map.copyOf(byQuery.getOrDefault(query, Map.of()))).toList();
  }

  /** The queries that take part: those with a positive grade. */
  public List<String> queries() {
    return queries;
  }

  /** What the judges saw of the lists' heads. */
  private record Judged(double shareInTop10, double ndcgOfJudged) {}

  private final Map<String, Judged> judged = new LinkedHashMap<>();

  /** Measures one source by itself, with the query as it was typed. */
  Figures measure(SourceUnderTest source) {
    RetrievalServiceGrpc.RetrievalServiceBlockingStub stub =
        RetrievalServiceGrpc.newBlockingStub(retrieval);
    return measure(
        source.label(),
        source.k(),
        query -> {
          RetrieveResponse response =
              stub.withDeadlineAfter(EvalReport.CALL_SECONDS, TimeUnit.SECONDS)
                  .retrieve(
                      RetrieveRequest.newBuilder()
                          .setBundle(source.bundle())
                          .setBundleVersion(source.version())
                          .setK(source.k())
                          .setQuery(query)
                          .build());
          return Answer.of(
              response.getCandidatesList().stream().map(Candidate::getItemId).toList());
        });
  }

  /** Measures a route under a label. */
  Figures measureRoute(String label, String route) {
    RouterServiceGrpc.RouterServiceBlockingStub stub = RouterServiceGrpc.newBlockingStub(router);
    return measure(
        label,
        Figures.DEPTH,
        query -> {
          SearchResponse response =
              stub.withDeadlineAfter(EvalReport.CALL_SECONDS, TimeUnit.SECONDS)
                  .search(
                      SearchRequest.newBuilder()
                          .setQuery(query)
                          .setOptions(
                              ListOptions.newBuilder()
                                  .setRoute(route)
                                  .setPageSize(Figures.DEPTH)
                                  .setExplanation(ExplanationLevel.EXPLANATION_LEVEL_NONE))
                          .build());
          return Answer.of(response.getPage());
        });
  }

  private interface Asking {
    Answer ask(String query);
  }

  private Figures measure(String label, int asked, Asking asking) {
    Figures figures = new Figures(label, "queries", queries.size(), asked);
    double[] shares = new double[queries.size()];
    double[] ndcgs = new double[queries.size()];
    try (ProgressBar progress = new ProgressBar(terminal, label, queries.size())) {
      InFlight.run(
          queries.size(),
          inFlight,
          progress,
          i -> {
            Answer answer = asking.ask(queries.get(i));
            figures.record(i, answer, grades.get(i), catalogue);
            shares[i] = RankingFigures.judgedShare(answer.items(), grades.get(i).keySet(), TOP);
            ndcgs[i] = RankingFigures.ndcgOfJudged(answer.items(), grades.get(i), TOP);
          });
    }
    judged.put(label, new Judged(Figures.mean(shares), Figures.mean(ndcgs)));
    return figures;
  }

  /**
   * Measures the sources, the route without its rewrites, and the route.
   *
   * @param withoutRewrite name of the same route without rewriters
   */
  public EvalReport run(List<SourceUnderTest> sources, String withoutRewrite, String route) {
    List<Figures> all = new ArrayList<>();
    for (SourceUnderTest source : sources) {
      all.add(measure(source));
    }
    all.add(measureRoute("no-rewrite", withoutRewrite));
    all.add(measureRoute("route", route));
    return new EvalReport(all, Optional.empty(), Optional.empty());
  }

  /** Remarks beside the table: intervals of the route's gain, and what the judges have seen. */
  public List<String> remarks(EvalReport report, String baseline) {
    List<String> lines = new ArrayList<>();
    lines.add(report.routeRatio(baseline, "NDCG@10", f -> f.ndcg10));
    lines.add(report.routeRatio(baseline, "recall@100", f -> f.recall100));
    lines.add(report.routeRatio("no-rewrite", "NDCG@10", f -> f.ndcg10));
    judged.forEach(
        (label, figures) ->
            lines.add(
                String.format(
                    Locale.ROOT,
                    "%s: %.1f %% of the first ten are judged; NDCG@10 over judged products alone"
                        + " %.4f",
                    label,
                    100 * figures.shareInTop10(),
                    figures.ndcgOfJudged())));
    return lines;
  }
}
