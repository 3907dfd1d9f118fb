package io.espalier.router;

import com.google.common.util.concurrent.Futures;
import io.espalier.events.v1.EventKind;
import io.espalier.retrieval.v1.RetrievalServiceGrpc;
import io.espalier.retrieval.v1.RetrievalServiceGrpc.RetrievalServiceFutureStub;
import io.espalier.rewrite.v1.RewriteResponse;
import io.espalier.router.SourceList.Retrieved;
import io.espalier.router.v1.Rewrite;
import io.espalier.stores.users.UserEvent;
import io.espalier.stores.users.UserStateStore;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;

/**
 * Runs one route for one request.
 *
 * <p>User state and rewriters start together; sources start when the user state is there, rewrites
 * are searched as their rewriter answers; then merge, ranking, rules. The request's thread only
 * ever waits, with a bound, for calls that are under way; a stage that is late or fails is left out
 * and flagged, unless the route requires it.
 */
final class RouteRunner {
  /** Seen items are masked this far back, further than any history that a model reads. */
  static final int MAX_SEEN = 1000;

  private final RewriteStage rewriteStage;
  private final RetrievalServiceFutureStub retrievalStub;
  private final RankingStage rankingStage;
  private final UserStateStore users;
  private final CallerRules rules;
  private final Retries retries;
  private final Executor lookups;

  RouteRunner(
      StageChannels channels,
      UserStateStore users,
      CallerRules rules,
      Retries retries,
      Executor lookups) {
    this.rewriteStage = new RewriteStage(channels.rewrite());
    // Answers only complete a future, which blocks nobody.
    this.retrievalStub =
        RetrievalServiceGrpc.newFutureStub(channels.retrieval()).withExecutor(Runnable::run);
    this.rankingStage = new RankingStage(channels.ranking());
    this.users = users;
    this.rules = rules;
    this.retries = retries;
    this.lookups = lookups;
  }

  RouteAnswer run(Route route, Question question, RequestRun run) {
    run.checkTime("the first stage");
    Route.LadderStep first = run.step(route);
    boolean popular = first.answer() == Route.Answer.POPULAR;
    if (popular) {
      run.laddered("retrieval", first, "only the sources for users without history");
    }
    Attempts attempts = retries.attempts(route, run.load());
    List<StageCall<RewriteResponse>> rewriting =
        rewriteStage.start(route, question, first, attempts, run);
    List<String> seen = seen(route, question, run);
    List<String> history = seen.subList(Math.max(0, seen.size() - route.history()), seen.size());
    Set<String> excluded =
        question.maskSeen(route) ? new LinkedHashSet<>(seen) : new LinkedHashSet<>();

    RetrievalStage retrieval =
        new RetrievalStage(retrievalStub, attempts, route, question, history, excluded, run);
    retrieval.start(popular);
    List<Rewrite> rewrites = rewriteStage.await(route, question, rewriting, retrieval, run);
    List<Retrieved> lists = retrieval.await();

    ListMerge merge = new ListMerge(route);
    List<ListItem> merged = merge.merge(lists);
    RankingStage.Ranked ranked =
        popular
            ? RankingStage.Ranked.not(merged)
            : rankingStage.rank(route, question, rewrites, history, merged, merge, attempts, run);
    CallerRules.Ruled ruled =
        rules.apply(route.rules(), ranked.items(), question.filter(), excluded);
    List<ListItem> items =
        ruled.items().size() > route.listSize()
            ? List.copyOf(ruled.items().subList(0, route.listSize()))
            : List.copyOf(ruled.items());
    return new RouteAnswer(
        items,
        rewrites,
        lists.stream().anyMatch(list -> list.response().getShortList()),
        lists.stream().mapToLong(list -> list.response().getCatalogOffset()).min().orElse(0),
        new RouteAnswer.Trail(
            retrieval.asked(),
            excluded,
            merged,
            ranked.candidates(),
            ranked.ran(),
            ranked.items(),
            ruled.removed()));
  }

  /** External ids of what the user dealt with, oldest first; impressions are not history. */
  List<String> seen(Route route, Question question, RequestRun run) {
    if (!question.inlineEvents().isEmpty()) {
      return withoutSteps(
          question.inlineEvents().stream()
              .filter(event -> event.getKind() != EventKind.EVENT_KIND_IMPRESSION)
              .map(event -> new Dealing(event.getItemId(), event.getKind()))
              .toList());
    }
    String user = question.user().getId();
    if (user.isEmpty()) {
      return List.of();
    }
    StageCall<List<UserEvent>> call =
        run.start(
            "user-state",
            route.userState().budget(),
            0,
            deadline ->
                Futures.submit(
                    () ->
                        users.recent(
                            user,
                            UserStateStore.INTERACTIONS,
                            MAX_SEEN,
                            Duration.ofNanos(deadline.timeRemaining(TimeUnit.NANOSECONDS))),
                    lookups));
    return switch (run.await(call, List::size)) {
      case Outcome.Answered<List<UserEvent>> answered ->
          withoutSteps(
              answered.value().stream()
                  .map(event -> new Dealing(event.itemId(), event.kind()))
                  .toList());
      case Outcome.Missed<List<UserEvent>> missed -> {
        run.degraded("user-state", missed.reason(), "answered without the user's history");
        yield List.of();
      }
    };
  }

  /** That a user dealt with an item, and how. */
  private record Dealing(String item, Enum<?> kind) {}

  /**
   * Item ids; a click and the purchase that follows it are steps of one dealing. Twice the same
   * step is two.
   */
  private static List<String> withoutSteps(List<Dealing> dealings) {
    List<String> items = new ArrayList<>();
    for (int i = 0; i < dealings.size(); i++) {
      Dealing dealing = dealings.get(i);
      boolean nextStep =
          i > 0
              && dealings.get(i - 1).item().equals(dealing.item())
              && dealings.get(i - 1).kind() != dealing.kind();
      if (!nextStep) {
        items.add(dealing.item());
      }
    }
    return items;
  }
}
