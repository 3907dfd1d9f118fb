package io.espalier.router;

import io.espalier.bundles.BundleId;
import io.espalier.ranking.v1.RankCandidate;
import io.espalier.ranking.v1.RankRequest;
import io.espalier.ranking.v1.RankResponse;
import io.espalier.ranking.v1.RankingServiceGrpc;
import io.espalier.ranking.v1.RankingServiceGrpc.RankingServiceFutureStub;
import io.espalier.ranking.v1.SourceScore;
import io.espalier.router.v1.DegradationReason;
import io.espalier.router.v1.Rewrite;
import io.grpc.Channel;
import io.grpc.Status;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The ranking stage: one call with the best of the merged candidates. */
final class RankingStage {
  private final RankingServiceFutureStub stub;

  RankingStage(Channel channel) {
    // Answers only complete a future, which blocks nobody.
    this.stub = RankingServiceGrpc.newFutureStub(channel).withExecutor(Runnable::run);
  }

  /** A list after the ranking stage, how many candidates it was given, and whether it answered. */
  record Ranked(List<ListItem> items, int candidates, boolean ran) {
    static Ranked not(List<ListItem> merged) {
      return new Ranked(merged, 0, false);
    }
  }

  Ranked rank(
      Route route,
      Question question,
      List<Rewrite> rewrites,
      List<String> history,
      List<ListItem> merged,
      ListMerge merge,
      Attempts attempts,
      RequestRun run) {
    Route.@Nullable Ranking ranking = route.ranking();
    if (ranking == null || merged.isEmpty()) {
      return Ranked.not(merged);
    }
    Route.LadderStep step = run.step(route);
    if (step.skips(Route.Skip.RANKING)) {
      run.laddered("ranking", step, "skipped: " + run.why(step));
      return Ranked.not(merged);
    }
    int limit = ranking.candidates();
    if (step.candidates() > 0 && step.candidates() < limit) {
      if (merged.size() > step.candidates()) {
        run.laddered(
            "ranking",
            step,
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
        run.call(
            attempts,
            "ranking",
            ranking.budget(),
            candidates.size(),
            deadline -> stub.withDeadline(deadline).rank(request.build()));
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
          throw missed.failure("ranking");
        }
        run.degraded(
            "ranking", missed.reason(), "left out, served in merged order: " + missed.words());
        yield Ranked.not(merged);
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
      if (!Double.isFinite(hit.candidate().getScore())
          || !Double.isFinite(hit.list().bestScore())) {
        // Says nothing that a ranker could weigh, and is no reason to rank nothing.
        continue;
      }
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
}
