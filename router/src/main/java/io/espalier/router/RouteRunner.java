package io.espalier.router;

import com.google.common.util.concurrent.Futures;
import io.espalier.bundles.BundleId;
import io.espalier.events.v1.Event;
import io.espalier.events.v1.EventKind;
import io.espalier.ranking.v1.RankCandidate;
import io.espalier.ranking.v1.RankRequest;
import io.espalier.ranking.v1.RankResponse;
import io.espalier.ranking.v1.RankingServiceGrpc;
import io.espalier.ranking.v1.RankingServiceGrpc.RankingServiceFutureStub;
import io.espalier.ranking.v1.SourceScore;
import io.espalier.retrieval.v1.RetrievalServiceGrpc;
import io.espalier.retrieval.v1.RetrievalServiceGrpc.RetrievalServiceFutureStub;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.retrieval.v1.RetrieveResponse;
import io.espalier.rewrite.v1.RewriteRequest;
import io.espalier.rewrite.v1.RewriteResponse;
import io.espalier.rewrite.v1.RewriteServiceGrpc;
import io.espalier.rewrite.v1.RewriteServiceGrpc.RewriteServiceFutureStub;
import io.espalier.rewrite.v1.RewrittenQuery;
import io.espalier.router.RouteAnswer.AskedSource;
import io.espalier.router.SourceList.Retrieved;
import io.espalier.router.v1.DegradationReason;
import io.espalier.router.v1.Rewrite;
import io.espalier.server.RequestException;
import io.espalier.stores.users.UserEvent;
import io.espalier.stores.users.UserStateStore;
import io.grpc.Status;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

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

  private static final DegradationReason LADDER = DegradationReason.DEGRADATION_REASON_LADDER;

  private final RewriteServiceFutureStub rewriteStub;
  private final RetrievalServiceFutureStub retrievalStub;
  private final RankingServiceFutureStub rankingStub;
  private final UserStateStore users;
  private final CallerRules rules;
  private final Executor lookups;

  RouteRunner(StageChannels channels, UserStateStore users, CallerRules rules, Executor lookups) {
    // Answers only complete a future, which blocks nobody.
    this.rewriteStub =
        RewriteServiceGrpc.newFutureStub(channels.rewrite()).withExecutor(Runnable::run);
    this.retrievalStub =
        RetrievalServiceGrpc.newFutureStub(channels.retrieval()).withExecutor(Runnable::run);
    this.rankingStub =
        RankingServiceGrpc.newFutureStub(channels.ranking()).withExecutor(Runnable::run);
    this.users = users;
    this.rules = rules;
    this.lookups = lookups;
  }

  RouteAnswer run(Route route, Question question, RequestRun run) {
    run.checkTime("the first stage");
    Route.LadderStep first = route.step(run.remaining());
    boolean popular = first.answer() == Route.Answer.POPULAR;
    if (popular) {
      run.degraded("retrieval", LADDER, "only the sources for users without history");
    }
    List<StageCall<RewriteResponse>> rewriting = startRewriters(route, question, first, run);
    List<String> seen = seen(route, question, run);
    List<String> history = seen.subList(Math.max(0, seen.size() - route.history()), seen.size());
    Set<String> excluded =
        question.maskSeen(route) ? new LinkedHashSet<>(seen) : new LinkedHashSet<>();

    Retrieval retrieval = new Retrieval(route, question, history, excluded, run);
    retrieval.start(popular);
    List<Rewrite> rewrites = awaitRewriters(route, question, rewriting, retrieval, run);
    List<Retrieved> lists = retrieval.await();

    ListMerge merge = new ListMerge(route);
    List<ListItem> merged = merge.merge(lists);
    Ranked ranked =
        popular
            ? new Ranked(merged, 0, false)
            : rank(route, question, rewrites, history, merged, merge, run);
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
      return question.inlineEvents().stream()
          .filter(event -> event.getKind() != EventKind.EVENT_KIND_IMPRESSION)
          .map(Event::getItemId)
          .toList();
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
                    () -> users.recent(user, UserStateStore.INTERACTIONS, MAX_SEEN), lookups));
    return switch (run.await(call, List::size)) {
      case Outcome.Answered<List<UserEvent>> answered ->
          answered.value().stream().map(UserEvent::itemId).toList();
      case Outcome.Missed<List<UserEvent>> missed -> {
        run.degraded("user-state", missed.reason(), "answered without the user's history");
        yield List.of();
      }
    };
  }

  private List<StageCall<RewriteResponse>> startRewriters(
      Route route, Question question, Route.LadderStep step, RequestRun run) {
    if (route.rewriters().isEmpty()) {
      return List.of();
    }
    if (step.skips(Route.Skip.REWRITE)) {
      run.degraded("rewrite", LADDER, "skipped: little time left");
      return List.of();
    }
    List<StageCall<RewriteResponse>> calls = new ArrayList<>();
    for (Route.Rewriter rewriter : route.rewriters()) {
      RewriteRequest request =
          RewriteRequest.newBuilder()
              .setBundle(rewriter.bundle().name())
              .setBundleVersion(rewriter.bundle().version())
              .setQuery(question.query())
              .setMaxRewrites(rewriter.max())
              .build();
      calls.add(
          run.start(
              "rewrite/" + rewriter.bundle().name(),
              rewriter.budget(),
              1,
              deadline -> rewriteStub.withDeadline(deadline).rewrite(request)));
    }
    return calls;
  }

  private List<Rewrite> awaitRewriters(
      Route route,
      Question question,
      List<StageCall<RewriteResponse>> calls,
      Retrieval retrieval,
      RequestRun run) {
    List<Rewrite> rewrites = new ArrayList<>();
    Set<String> known = new HashSet<>(Set.of(normalised(question.query())));
    for (int i = 0; i < calls.size(); i++) {
      Route.Rewriter rewriter = route.rewriters().get(i);
      StageCall<RewriteResponse> call = calls.get(i);
      switch (run.await(call, RewriteResponse::getRewritesCount)) {
        case Outcome.Missed<RewriteResponse> missed ->
            run.degraded(call.stage(), missed.reason(), "left out: " + missed.words());
        case Outcome.Answered<RewriteResponse> answered -> {
          run.tookPart(rewriter.bundle());
          if (answered.value().getModelLate()) {
            run.degraded(
                call.stage(),
                DegradationReason.DEGRADATION_REASON_LATE,
                "the rewriter's model did not answer in its budget");
          }
          int taken = 0;
          for (RewrittenQuery rewritten : answered.value().getRewritesList()) {
            if (taken == rewriter.max() || rewrites.size() == route.maxRewrites()) {
              break;
            }
            String text = rewritten.getText().strip();
            if (text.isEmpty() || !known.add(normalised(text))) {
              continue;
            }
            taken++;
            rewrites.add(
                Rewrite.newBuilder()
                    .setText(text)
                    .setSource(rewriter.bundle().name())
                    .setOrigin(rewritten.getOrigin())
                    .setPersona(rewritten.getPersona())
                    .build());
            retrieval.startRewrite(text, rewriter.weight());
          }
        }
      }
    }
    return rewrites;
  }

  private static String normalised(String query) {
    return query.strip().replaceAll("\\s+", " ").toLowerCase(Locale.ROOT);
  }

  /** A list after the ranking stage, how many candidates it was given, and whether it answered. */
  private record Ranked(List<ListItem> items, int candidates, boolean ran) {}

  private Ranked rank(
      Route route,
      Question question,
      List<Rewrite> rewrites,
      List<String> history,
      List<ListItem> merged,
      ListMerge merge,
      RequestRun run) {
    Route.@Nullable Ranking ranking = route.ranking();
    if (ranking == null || merged.isEmpty()) {
      return new Ranked(merged, 0, false);
    }
    Route.LadderStep step = route.step(run.remaining());
    if (step.skips(Route.Skip.RANKING)) {
      run.degraded("ranking", LADDER, "skipped: little time left");
      return new Ranked(merged, 0, false);
    }
    int limit = ranking.candidates();
    if (step.candidates() > 0 && step.candidates() < limit) {
      if (merged.size() > step.candidates()) {
        run.degraded(
            "ranking",
            LADDER,
            "%d candidates instead of %d"
                .formatted(step.candidates(), Math.min(limit, merged.size())));
      }
      limit = step.candidates();
    }
    List<ListItem> candidates = merged.subList(0, Math.min(limit, merged.size()));
    RankRequest.Builder request =
        RankRequest.newBuilder()
            .setBundle(ranking.bundle().name())
            .setBundleVersion(ranking.bundle().version())
            .addAllHistory(history)
            .setQuery(question.query());
    rewrites.forEach(rewrite -> request.addRewrites(rewrite.getText()));
    candidates.forEach(candidate -> request.addCandidates(candidate(candidate)));
    StageCall<RankResponse> call =
        run.start(
            "ranking",
            ranking.budget(),
            candidates.size(),
            deadline -> rankingStub.withDeadline(deadline).rank(request.build()));
    Outcome<RankResponse> outcome = run.await(call, RankResponse::getCandidatesCount);
    if (outcome instanceof Outcome.Answered<RankResponse> answered
        && !fits(candidates, answered.value())) {
      outcome =
          Outcome.Missed.of(
              Status.INTERNAL.withDescription("the ranker answered for other candidates"));
    }
    return switch (outcome) {
      case Outcome.Answered<RankResponse> answered -> {
        run.tookPart(ranking.bundle());
        answered.value().getBundlesList().forEach(bundle -> tookPart(bundle, run));
        yield new Ranked(
            merge.withRanking(
                candidates, answered.value().getCandidatesList(), answered.value().getScoreKind()),
            candidates.size(),
            true);
      }
      case Outcome.Missed<RankResponse> missed -> {
        if (!ranking.optional()) {
          throw failure("ranking", missed);
        }
        run.degraded(
            "ranking", missed.reason(), "left out, served in merged order: " + missed.words());
        yield new Ranked(merged, 0, false);
      }
    };
  }

  private static void tookPart(String bundle, RequestRun run) {
    try {
      run.tookPart(BundleId.parse(bundle));
    } catch (IllegalArgumentException e) {
      // A note from the ranker, not worth failing an answer for.
      run.degraded(
          "ranking", DegradationReason.DEGRADATION_REASON_PARTIAL, "unreadable bundle note");
    }
  }

  private static boolean fits(List<ListItem> candidates, RankResponse response) {
    if (response.getCandidatesCount() != candidates.size()) {
      return false;
    }
    for (int i = 0; i < candidates.size(); i++) {
      if (!response.getCandidates(i).getItemId().equals(candidates.get(i).id())) {
        return false;
      }
    }
    return true;
  }

  /**
   * A candidate with each source's score; of a source's rewrite lists the one where it stands best.
   */
  private static RankCandidate candidate(ListItem item) {
    RankCandidate.Builder candidate = RankCandidate.newBuilder().setItemId(item.id());
    Map<String, ListItem.Hit> byRewrite = new LinkedHashMap<>();
    for (ListItem.Hit hit : item.hits()) {
      if (hit.list().byRewrite()) {
        byRewrite.merge(hit.list().bundle(), hit, (a, b) -> b.rank() < a.rank() ? b : a);
      } else {
        candidate.addSourceScores(sourceScore(hit));
      }
    }
    byRewrite.values().forEach(hit -> candidate.addSourceScores(sourceScore(hit)));
    return candidate.build();
  }

  private static SourceScore sourceScore(ListItem.Hit hit) {
    return SourceScore.newBuilder()
        .setSource(hit.list().bundle())
        .setScore(hit.candidate().getScore())
        .setBestScore(hit.list().bestScore())
        .setByRewrite(hit.list().byRewrite())
        .build();
  }

  /** What the caller is told when a stage that his answer needs did not answer. */
  static RequestException failure(String stage, Outcome.Missed<?> missed) {
    return switch (missed.status().getCode()) {
      case DEADLINE_EXCEEDED ->
          RequestException.deadlineExceeded(stage + ": late (expected: an answer in its budget)");
      case RESOURCE_EXHAUSTED ->
          RequestException.resourceExhausted(stage + ": overloaded (expected: room for the call)");
      case INVALID_ARGUMENT -> RequestException.invalidArgument(stage + ": " + missed.words());
      case NOT_FOUND, FAILED_PRECONDITION ->
          RequestException.failedPrecondition(stage + ": " + missed.words());
      default -> RequestException.unavailable(stage + ": down (expected: an answer)");
    };
  }

  /** The retrieval stage of one request: which sources are asked, with what, and what came back. */
  private final class Retrieval {
    private final Route route;
    private final Question question;
    private final List<String> history;
    private final Set<String> excluded;
    private final RequestRun run;
    private final List<Pending> pending = new ArrayList<>();
    private final Map<Integer, RetrieveRequest> requests = new HashMap<>();
    private final Map<Integer, String> outcomes = new HashMap<>();
    private final List<Outcome.Missed<?>> failures = new ArrayList<>();
    private boolean anyAnswered;

    /** A call for one list. */
    private record Pending(
        int source, String rewrite, double weight, StageCall<RetrieveResponse> call) {}

    Retrieval(
        Route route,
        Question question,
        List<String> history,
        Set<String> excluded,
        RequestRun run) {
      this.route = route;
      this.question = question;
      this.history = history;
      this.excluded = excluded;
      this.run = run;
    }

    void start(boolean popular) {
      run.checkTime("retrieval");
      for (int i = 0; i < route.sources().size(); i++) {
        Route.When when = route.sources().get(i).when();
        boolean asked =
            popular
                ? when == Route.When.NO_HISTORY
                : switch (when) {
                  case ALWAYS, QUERY -> true;
                  case HAS_HISTORY -> !history.isEmpty();
                  case NO_HISTORY -> history.isEmpty();
                };
        if (asked) {
          start(i, "", 1);
        }
      }
      if (pending.isEmpty()) {
        throw RequestException.failedPrecondition(
            "route %s: no source for a user %s history (expected: at least one)"
                .formatted(route.name(), history.isEmpty() ? "without" : "with"));
      }
    }

    void startRewrite(String text, double weight) {
      for (int i = 0; i < route.sources().size(); i++) {
        if (route.sources().get(i).useRewrites() && requests.containsKey(i)) {
          start(i, text, weight);
        }
      }
    }

    private void start(int index, String rewrite, double rewriteWeight) {
      Route.Source source = route.sources().get(index);
      String stage = "retrieval/" + source.bundle().name();
      Route.LadderStep step = route.step(run.remaining());
      int k = rewrite.isEmpty() || source.rewriteK() == 0 ? source.k() : source.rewriteK();
      int beam = source.beam();
      if (step.k() > 0 && step.k() < k) {
        run.degraded(stage, LADDER, "%d items instead of %d".formatted(step.k(), k));
        k = step.k();
      }
      if (step.beam() > 0 && step.beam() < beam) {
        run.degraded(stage, LADDER, "%d beams instead of %d".formatted(step.beam(), beam));
        beam = step.beam();
      }
      RetrieveRequest.Builder request =
          RetrieveRequest.newBuilder()
              .setBundle(source.bundle().name())
              .setBundleVersion(source.bundle().version())
              .setK(k)
              .setBeamWidth(beam)
              .addAllHistory(history)
              .setQuery(rewrite.isEmpty() ? question.query() : rewrite)
              .addAllExclude(excluded);
      question.filter().ifPresent(request::setFilter);
      RetrieveRequest built = request.build();
      if (rewrite.isEmpty()) {
        requests.put(index, built);
      }
      pending.add(
          new Pending(
              index,
              rewrite,
              route.merge().weight(source.bundle().name()) * rewriteWeight,
              run.start(
                  rewrite.isEmpty() ? stage : stage + "/rewrite",
                  source.budget(),
                  history.size(),
                  deadline -> retrievalStub.withDeadline(deadline).retrieve(built))));
    }

    /** Every list that came in time; asks the sources for users without history where none did. */
    List<Retrieved> await() {
      List<Retrieved> lists = awaitPending();
      if (question.kind() == Route.Kind.FEED && !history.isEmpty() && unasked()) {
        boolean unknown = unknownHistory(lists);
        if (unknown) {
          lists = startWithoutHistory();
        } else if (!anyAnswered) {
          run.degraded(
              "retrieval",
              DegradationReason.DEGRADATION_REASON_PARTIAL,
              "no source answered: asked those for users without history");
          lists = startWithoutHistory();
        }
      }
      if (!anyAnswered) {
        throw failure("retrieval", worst());
      }
      return lists;
    }

    private boolean unasked() {
      for (int i = 0; i < route.sources().size(); i++) {
        if (route.sources().get(i).when() == Route.When.NO_HISTORY && !requests.containsKey(i)) {
          return true;
        }
      }
      return false;
    }

    /** Whether sources that live on the history answered, and not one knew an item of it. */
    private boolean unknownHistory(List<Retrieved> lists) {
      boolean asked = false;
      for (Retrieved retrieved : lists) {
        if (route.sources().get(retrieved.list().source()).when() == Route.When.HAS_HISTORY) {
          asked = true;
          if (retrieved.response().getHistoryUsed() > 0) {
            return false;
          }
        }
      }
      return asked;
    }

    private List<Retrieved> startWithoutHistory() {
      for (int i = 0; i < route.sources().size(); i++) {
        if (route.sources().get(i).when() == Route.When.NO_HISTORY && !requests.containsKey(i)) {
          start(i, "", 1);
        }
      }
      return awaitPending();
    }

    private List<Retrieved> awaitPending() {
      List<Retrieved> lists = new ArrayList<>();
      for (Pending one : pending) {
        Route.Source source = route.sources().get(one.source());
        switch (run.await(one.call(), RetrieveResponse::getCandidatesCount)) {
          case Outcome.Answered<RetrieveResponse> answered -> {
            anyAnswered = true;
            run.tookPart(source.bundle());
            outcomes.putIfAbsent(one.source(), "OK");
            lists.add(
                Retrieved.of(
                    one.source(),
                    source.bundle().name(),
                    one.rewrite(),
                    one.weight(),
                    answered.value()));
          }
          case Outcome.Missed<RetrieveResponse> missed -> {
            if (!source.optional() && one.rewrite().isEmpty()) {
              throw failure(one.call().stage(), missed);
            }
            failures.add(missed);
            outcomes.putIfAbsent(one.source(), missed.status().getCode().name());
            run.degraded(one.call().stage(), missed.reason(), "left out: " + missed.words());
          }
        }
      }
      pending.clear();
      return lists;
    }

    /** Of several failures the one that tells the caller most: his own error first. */
    private Outcome.Missed<?> worst() {
      List<Status.Code> order =
          List.of(
              Status.Code.INVALID_ARGUMENT,
              Status.Code.FAILED_PRECONDITION,
              Status.Code.NOT_FOUND,
              Status.Code.DEADLINE_EXCEEDED,
              Status.Code.RESOURCE_EXHAUSTED);
      for (Status.Code code : order) {
        for (Outcome.Missed<?> failure : failures) {
          if (failure.status().getCode() == code) {
            return failure;
          }
        }
      }
      return failures.getFirst();
    }

    List<AskedSource> asked() {
      List<AskedSource> asked = new ArrayList<>();
      for (int i = 0; i < route.sources().size(); i++) {
        asked.add(
            new AskedSource(
                route.sources().get(i),
                Optional.ofNullable(requests.get(i)),
                outcomes.getOrDefault(i, "not asked")));
      }
      return asked;
    }
  }
}
