package io.espalier.router;

import io.espalier.router.v1.ExplanationLevel;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RecommendResponse;
import io.espalier.router.v1.ResultPage;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.SearchResponse;
import io.espalier.router.v1.StageFact;
import io.espalier.server.Admission;
import io.espalier.stores.catalog.CatalogItem;
import java.time.InstantSource;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Answers searches and feed requests: resolves route and arm, runs the route, pins the list, cuts
 * pages.
 */
final class Router {
  private final RouteTable routes;
  private final RouteRunner runner;
  private final PinnedLists lists;
  private final PageTokens tokens;
  private final RouterMetrics metrics;
  private final @Nullable Catalogue catalogue;
  private final InstantSource clock;

  Router(
      RouteTable routes,
      RouteRunner runner,
      PinnedLists lists,
      PageTokens tokens,
      RouterMetrics metrics,
      @Nullable Catalogue catalogue,
      InstantSource clock) {
    this.routes = routes;
    this.runner = runner;
    this.lists = lists;
    this.tokens = tokens;
    this.metrics = metrics;
    this.catalogue = catalogue;
    for (RoutePlan plan : routes.plans()) {
      plan.arms().forEach(arm -> metrics.route(plan.name(), arm.name()));
    }
    this.clock = clock;
  }

  SearchResponse search(SearchRequest request) {
    Page page = answer(Question.of(request));
    return SearchResponse.newBuilder()
        .setPage(page.page())
        .addAllRewrites(page.pinned().rewrites())
        .build();
  }

  RecommendResponse recommend(RecommendRequest request) {
    return RecommendResponse.newBuilder().setPage(answer(Question.of(request)).page()).build();
  }

  /** A page and the list that it is cut from. */
  private record Page(ResultPage page, PinnedLists.Pinned pinned) {}

  private Page answer(Question question) {
    RoutePlan plan = routes.resolve(question.options().getRoute(), question.kind());
    RoutePlan.Arm arm = plan.arm(question.user().getId());
    Route route = arm.route();
    Admission.objective(route.slo());
    byte[] fingerprint = question.fingerprint(route);
    if (!question.options().getPageToken().isEmpty()) {
      return nextPage(question, route, fingerprint);
    }
    Admission.work(route.name());
    try (RequestRun run = new RequestRun(route.deadline(), route.reserve())) {
      PinnedLists.Pinned list = list(question, arm, fingerprint, run);
      UUID id = UUID.randomUUID();
      ResultPage.Builder page = page(question, route, list, id, 0, fingerprint);
      if (level(question, route) != ExplanationLevel.EXPLANATION_LEVEL_NONE) {
        page.addAllStages(run.facts()).addStages(own(run, list.items().size()));
      }
      metrics.answered(route, arm.name(), run);
      return new Page(page.build(), list);
    }
  }

  private PinnedLists.Pinned list(
      Question question, RoutePlan.Arm arm, byte[] fingerprint, RequestRun run) {
    Route route = arm.route();
    Route.LadderStep step = run.step(route);
    Catalogue items = catalogue;
    if (step.answer() == Route.Answer.CACHED && items != null) {
      Optional<PinnedLists.Pinned> cached = lists.latest(fingerprint);
      if (cached.isPresent()
          && cached.get().arm().equals(arm.name())
          && cached.get().catalogOffset() >= question.options().getMinCatalogOffset()) {
        return cached(question, route, step, cached.get(), items, run);
      }
    }
    RouteAnswer answer = runner.run(route, question, run);
    PinnedLists.Pinned list =
        new PinnedLists.Pinned(
            UUID.randomUUID().toString(),
            question.user().getId(),
            arm.name(),
            answer.items(),
            answer.rewrites(),
            run.bundles(),
            run.degradations(),
            answer.shortList(),
            answer.catalogOffset(),
            route.pageTokenTtl());
    if (route.servesCached() && run.degradations().isEmpty()) {
      lists.remember(fingerprint, list);
    }
    return list;
  }

  /**
   * The last whole list of the same request, less what the user has seen since, and what is no
   * longer in the catalogue or no longer satisfies the request's filter.
   */
  private PinnedLists.Pinned cached(
      Question question,
      Route route,
      Route.LadderStep step,
      PinnedLists.Pinned cached,
      Catalogue items,
      RequestRun run) {
    Set<String> seen =
        question.maskSeen(route) ? new HashSet<>(runner.seen(route, question, run)) : Set.of();
    Predicate<CatalogItem> filter =
        question.filter().map(ItemPredicate::of).orElseGet(() -> item -> true);
    List<ListItem> legal =
        cached.items().stream()
            .filter(item -> !seen.contains(item.id()))
            .filter(item -> items.item(item.id()).filter(filter).isPresent())
            .toList();
    run.laddered("route", step, "the last list of the same request: " + run.why(step));
    return new PinnedLists.Pinned(
        UUID.randomUUID().toString(),
        cached.user(),
        cached.arm(),
        legal,
        cached.rewrites(),
        cached.bundles(),
        run.degradations(),
        cached.shortList() || legal.size() < cached.items().size(),
        cached.catalogOffset(),
        cached.timeToLive());
  }

  private Page nextPage(Question question, Route route, byte[] fingerprint) {
    PageTokens.Page token = tokens.verify(question.options().getPageToken(), fingerprint);
    // Evicted lists look like expired ones: the caller does the same about either.
    PinnedLists.Pinned list = lists.find(token.list()).orElseThrow(PageTokens::expired);
    metrics.pinnedPage(route.name());
    return new Page(
        page(question, route, list, token.list(), token.offset(), fingerprint).build(), list);
  }

  private ResultPage.Builder page(
      Question question,
      Route route,
      PinnedLists.Pinned list,
      UUID id,
      int offset,
      byte[] fingerprint) {
    int size = pageSize(question, route);
    int from = Math.min(offset, list.items().size());
    int to = Math.min(from + size, list.items().size());
    ExplanationLevel level = level(question, route);
    ResultPage.Builder page =
        ResultPage.newBuilder()
            .setRequestId(list.requestId())
            .setRoute(route.name())
            .setArm(list.arm())
            .addAllBundles(list.bundles())
            .addAllDegradations(list.degradations())
            .setCatalogOffset(list.catalogOffset())
            .setShortList(list.shortList() && list.items().size() < size);
    for (ListItem item : list.items().subList(from, to)) {
      page.addItems(item.toProto(level));
    }
    if (to < list.items().size()) {
      lists.pin(id, list);
      page.setNextPageToken(
          tokens.issue(id, to, clock.instant().plus(list.timeToLive()), fingerprint));
    }
    return page;
  }

  static int pageSize(Question question, Route route) {
    return question.options().getPageSize() == 0
        ? route.pageSize()
        : question.options().getPageSize();
  }

  private static ExplanationLevel level(Question question, Route route) {
    ExplanationLevel asked = question.options().getExplanation();
    return asked == ExplanationLevel.EXPLANATION_LEVEL_UNSPECIFIED
            || asked == ExplanationLevel.UNRECOGNIZED
        ? route.explanation().level()
        : asked;
  }

  private static StageFact own(RequestRun run, int items) {
    return StageFact.newBuilder()
        .setStage("router")
        .setDurationMicros(run.selfTime() / 1_000)
        .setItemsOut(items)
        .setOutcome("OK")
        .build();
  }

  RouteTable routes() {
    return routes;
  }

  List<String> routeNames() {
    return routes.plans().stream().map(RoutePlan::name).toList();
  }
}
