package io.espalier.router;

import io.espalier.retrieval.v1.ExplainRequest;
import io.espalier.retrieval.v1.ExplainResponse;
import io.espalier.retrieval.v1.Fate;
import io.espalier.retrieval.v1.RetrievalServiceGrpc;
import io.espalier.retrieval.v1.RetrievalServiceGrpc.RetrievalServiceFutureStub;
import io.espalier.router.v1.Finding;
import io.espalier.router.v1.WhyNotResponse;
import io.espalier.stores.catalog.CatalogItem;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Runs a request and follows one item through its stages. */
final class WhyNot {
  private static final Budget EXPLAIN = new Budget(0.9, Duration.ofSeconds(10));

  private final LiveRoutes routes;
  private final RouteRunner runner;
  private final RetrievalServiceFutureStub retrieval;
  private final @Nullable Catalogue catalogue;

  WhyNot(
      LiveRoutes routes,
      RouteRunner runner,
      StageChannels channels,
      @Nullable Catalogue catalogue) {
    this.routes = routes;
    this.runner = runner;
    this.retrieval = RetrievalServiceGrpc.newFutureStub(channels.retrieval());
    this.catalogue = catalogue;
  }

  WhyNotResponse ask(String itemId, Question question) {
    RoutePlan plan = routes.now().table().resolve(question.options().getRoute(), question.kind());
    Route route = plan.arm(question).route();
    try (RequestRun run = new RequestRun(route.deadline(), route.reserve())) {
      RouteAnswer answer = runner.run(route, question, run);
      List<Finding> findings = new ArrayList<>();
      catalogue(itemId).ifPresent(findings::add);
      filter(itemId, question, answer).ifPresent(findings::add);
      findings.addAll(sources(itemId, answer, run));
      ranking(itemId, route, answer).ifPresent(findings::add);
      rules(itemId, route, answer).ifPresent(findings::add);
      int rank = rank(answer.items(), itemId);
      findings.add(page(rank, question, route, answer));
      return WhyNotResponse.newBuilder()
          .setPresent(rank >= 0)
          .setRank(Math.max(0, rank))
          .addAllFindings(findings)
          .build();
    }
  }

  private Optional<Finding> catalogue(String itemId) {
    if (catalogue == null) {
      return Optional.empty();
    }
    return Optional.of(
        catalogue.item(itemId).isPresent()
            ? finding("catalog", Fate.FATE_KEPT, "the catalogue has it")
            : finding("catalog", Fate.FATE_UNKNOWN_ITEM, "the catalogue does not have it"));
  }

  private Optional<Finding> filter(String itemId, Question question, RouteAnswer answer) {
    if (answer.trail().excluded().contains(itemId)) {
      return Optional.of(
          finding("filter", Fate.FATE_FILTERED, "in the user's history, which is masked"));
    }
    Optional<CatalogItem> item = catalogue == null ? Optional.empty() : catalogue.item(itemId);
    if (question.filter().isEmpty() || item.isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(
        ItemPredicate.of(question.filter().get()).test(item.get())
            ? finding("filter", Fate.FATE_KEPT, "satisfies the filter")
            : finding("filter", Fate.FATE_FILTERED, "does not satisfy the request's filter"));
  }

  private List<Finding> sources(String itemId, RouteAnswer answer, RequestRun run) {
    Map<String, ListItem.Hit> hits = new LinkedHashMap<>();
    answer.trail().merged().stream()
        .filter(item -> item.id().equals(itemId))
        .flatMap(item -> item.hits().stream())
        .forEach(hit -> hits.merge(hit.list().bundle(), hit, WhyNot::better));
    Map<String, StageCall<ExplainResponse>> asking = new LinkedHashMap<>();
    for (RouteAnswer.AskedSource asked : answer.trail().asked()) {
      String name = asked.source().bundle().name();
      if (!hits.containsKey(name) && asked.request().isPresent() && asked.outcome().equals("OK")) {
        ExplainRequest request =
            ExplainRequest.newBuilder().setRequest(asked.request().get()).setItemId(itemId).build();
        asking.put(
            name,
            run.start(
                "explain/" + name,
                EXPLAIN,
                1,
                deadline -> retrieval.withDeadline(deadline).explain(request)));
      }
    }
    List<Finding> findings = new ArrayList<>();
    for (RouteAnswer.AskedSource asked : answer.trail().asked()) {
      String name = asked.source().bundle().name();
      String stage = "retrieval/" + name;
      ListItem.@Nullable Hit hit = hits.get(name);
      StageCall<ExplainResponse> call = asking.get(name);
      if (hit != null) {
        String by = hit.list().byRewrite() ? " for the rewrite " + hit.list().rewrite() : "";
        findings.add(
            finding(stage, Fate.FATE_KEPT, "returned it" + by).toBuilder()
                .setRank(hit.rank())
                .build());
      } else if (call == null) {
        findings.add(finding(stage, Fate.FATE_NOT_RUN, asked.outcome()));
      } else {
        findings.add(
            switch (run.await(call, response -> 1)) {
              case Outcome.Answered<ExplainResponse> said ->
                  finding(stage, said.value().getFate(), said.value().getDetail()).toBuilder()
                      .setLevel(said.value().getLevel())
                      .setRank(said.value().getRank())
                      .build();
              case Outcome.Missed<ExplainResponse> missed ->
                  finding(
                      stage,
                      Fate.FATE_UNSPECIFIED,
                      "did not return it, and could not say why: " + missed.words());
            });
      }
    }
    return findings;
  }

  private static ListItem.Hit better(ListItem.Hit a, ListItem.Hit b) {
    return b.rank() < a.rank() ? b : a;
  }

  private static Optional<Finding> ranking(String itemId, Route route, RouteAnswer answer) {
    int merged = rank(answer.trail().merged(), itemId);
    if (route.ranking() == null || merged < 0) {
      return Optional.empty();
    }
    if (!answer.trail().rankingRan()) {
      return Optional.of(finding("ranking", Fate.FATE_NOT_RUN, "served in merged order"));
    }
    if (merged >= answer.trail().candidates()) {
      return Optional.of(
          finding(
                  "ranking",
                  Fate.FATE_OUTRANKED,
                  "merged at rank %d; the best %d are ranked"
                      .formatted(merged, answer.trail().candidates()))
              .toBuilder()
              .setRank(merged)
              .build());
    }
    int ranked = rank(answer.trail().ranked(), itemId);
    return Optional.of(
        finding("ranking", Fate.FATE_KEPT, "from rank %d to rank %d".formatted(merged, ranked))
            .toBuilder()
            .setRank(ranked)
            .build());
  }

  private static Optional<Finding> rules(String itemId, Route route, RouteAnswer answer) {
    if (route.rules().isEmpty()) {
      return Optional.empty();
    }
    String removedBy = answer.trail().removed().get(itemId);
    if (removedBy != null) {
      return Optional.of(finding("rules", Fate.FATE_FILTERED, removedBy));
    }
    return answer.items().stream()
        .filter(item -> item.id().equals(itemId) && !item.rules().isEmpty())
        .findFirst()
        .map(item -> finding("rules", Fate.FATE_KEPT, String.join(", ", item.rules())));
  }

  private static Finding page(int rank, Question question, Route route, RouteAnswer answer) {
    int size = Router.pageSize(question, route);
    if (rank < 0) {
      return finding(
          "page", Fate.FATE_NOT_RUN, "not in the list of %d".formatted(answer.items().size()));
    }
    return (rank < size
            ? finding("page", Fate.FATE_KEPT, "on the first page")
            : finding(
                "page", Fate.FATE_OUTRANKED, "rank %d; a page holds %d".formatted(rank, size)))
        .toBuilder().setRank(rank).build();
  }

  private static int rank(List<ListItem> items, String itemId) {
    for (int i = 0; i < items.size(); i++) {
      if (items.get(i).id().equals(itemId)) {
        return i;
      }
    }
    return -1;
  }

  private static Finding finding(String stage, Fate fate, String detail) {
    return Finding.newBuilder().setStage(stage).setFate(fate).setDetail(detail).build();
  }
}
