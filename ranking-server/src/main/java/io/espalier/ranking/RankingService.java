package io.espalier.ranking;

import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleSwitch;
import io.espalier.bundles.Lease;
import io.espalier.catalog.v1.ScoreKind;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelRunner;
import io.espalier.ranking.Ranking.Part;
import io.espalier.ranking.Ranking.RankedItem;
import io.espalier.ranking.RankingQuery.Candidate;
import io.espalier.ranking.v1.RankCandidate;
import io.espalier.ranking.v1.RankRequest;
import io.espalier.ranking.v1.RankResponse;
import io.espalier.ranking.v1.RankedCandidate;
import io.espalier.ranking.v1.RankingServiceGrpc;
import io.espalier.ranking.v1.ScorePart;
import io.espalier.ranking.v1.SourceScore;
import io.espalier.server.Admission;
import io.espalier.server.Deadlines;
import io.espalier.server.RequestException;
import io.grpc.Context;
import io.grpc.stub.StreamObserver;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** The gRPC face of the rankers: checks a request, finds its bundle, converts the answer. */
final class RankingService extends RankingServiceGrpc.RankingServiceImplBase {
  private static final int MAX_CANDIDATES = 500;
  private static final int MAX_HISTORY = 1000;
  private static final int MAX_QUERY_LENGTH = 512;
  private static final int MAX_REWRITES = 64;

  private final BundleSwitch<Ranker> bundles;
  private final ModelRunner runner;
  private final RankingSettings settings;

  RankingService(BundleSwitch<Ranker> bundles, ModelRunner runner, RankingSettings settings) {
    this.bundles = bundles;
    this.runner = runner;
    this.settings = settings;
  }

  @Override
  public void rank(RankRequest request, StreamObserver<RankResponse> observer) {
    RankingQuery query = query(request);
    long budget =
        Deadlines.remaining().orElse(settings.defaultDeadline()).toNanos()
            - settings.answerReserve().toNanos();
    ModelCalls calls = new ModelCalls(runner, System.nanoTime() + budget);
    Context.CancellationListener cancel = context -> calls.cancel();
    Context.current().addListener(cancel, Runnable::run);
    try (Lease<Ranker> lease = lease(request)) {
      Admission.work(request.getBundle() + "@" + request.getBundleVersion());
      observer.onNext(response(lease.get().rank(query, calls)));
    } catch (ModelException e) {
      throw ModelFailures.toRequest(e);
    } finally {
      Context.current().removeListener(cancel);
    }
    observer.onCompleted();
  }

  private static RankingQuery query(RankRequest request) {
    int count = request.getCandidatesCount();
    if (count < 1 || count > MAX_CANDIDATES) {
      throw RequestException.invalidArgument(
          "candidates: " + count + " (expected: 1.." + MAX_CANDIDATES + ")");
    }
    if (request.getHistoryCount() > MAX_HISTORY) {
      throw RequestException.invalidArgument(
          "history: " + request.getHistoryCount() + " events (expected: 0.." + MAX_HISTORY + ")");
    }
    checkLength("query", request.getQuery());
    if (request.getRewritesCount() > MAX_REWRITES) {
      throw RequestException.invalidArgument(
          "rewrites: " + request.getRewritesCount() + " (expected: 0.." + MAX_REWRITES + ")");
    }
    request.getRewritesList().forEach(rewrite -> checkLength("rewrites", rewrite));
    Set<String> ids = HashSet.newHashSet(count);
    List<Candidate> candidates = new ArrayList<>(count);
    for (RankCandidate candidate : request.getCandidatesList()) {
      String id = candidate.getItemId();
      if (id.isEmpty()) {
        throw invalid(candidates.size(), "item_id", "empty", "an external id");
      }
      if (!ids.add(id)) {
        throw invalid(candidates.size(), "item_id", id + " twice", "once");
      }
      candidates.add(new Candidate(id, sources(candidates.size(), candidate)));
    }
    return new RankingQuery(
        request.getHistoryList(), request.getQuery(), request.getRewritesList(), candidates);
  }

  private static void checkLength(String field, String text) {
    int length = text.codePointCount(0, text.length());
    if (length > MAX_QUERY_LENGTH) {
      throw RequestException.invalidArgument(
          field + ": " + length + " characters (expected: 0.." + MAX_QUERY_LENGTH + ")");
    }
  }

  private static List<RankingQuery.SourceScore> sources(int index, RankCandidate candidate) {
    List<RankingQuery.SourceScore> sources = new ArrayList<>(candidate.getSourceScoresCount());
    for (SourceScore score : candidate.getSourceScoresList()) {
      if (!Double.isFinite(score.getScore()) || !Double.isFinite(score.getBestScore())) {
        throw invalid(
            index,
            "source_scores[" + sources.size() + "]",
            score.getScore() + " of " + score.getBestScore(),
            "finite");
      }
      sources.add(
          new RankingQuery.SourceScore(
              score.getSource(), score.getScore(), score.getBestScore(), score.getByRewrite()));
    }
    return sources;
  }

  private static RequestException invalid(int index, String field, String value, String expected) {
    return RequestException.invalidArgument(
        "candidates[" + index + "]." + field + ": " + value + " (expected: " + expected + ")");
  }

  private Lease<Ranker> lease(RankRequest request) {
    BundleId id;
    try {
      id = new BundleId(request.getBundle(), request.getBundleVersion());
    } catch (IllegalArgumentException e) {
      throw RequestException.invalidArgument(String.valueOf(e.getMessage()));
    }
    return bundles
        .acquire(id)
        .orElseThrow(
            () ->
                RequestException.notFound(
                    "bundle: " + id + " (expected: one of " + bundles.serving() + ")"));
  }

  private static RankResponse response(Ranking ranking) {
    RankResponse.Builder response =
        RankResponse.newBuilder()
            .setScoreKind(
                switch (ranking.kind()) {
                  case SIMILARITY -> ScoreKind.SCORE_KIND_SIMILARITY;
                  case FUSED_LOG_PROBABILITY -> ScoreKind.SCORE_KIND_FUSED_LOG_PROBABILITY;
                  case RELEVANCE -> ScoreKind.SCORE_KIND_RELEVANCE;
                });
    ranking.bundles().forEach(id -> response.addBundles(id.toString()));
    for (RankedItem item : ranking.items()) {
      RankedCandidate.Builder ranked =
          RankedCandidate.newBuilder().setItemId(item.itemId()).setScore(item.score());
      for (Part part : item.parts()) {
        ranked.addParts(
            ScorePart.newBuilder()
                .setName(part.name())
                .setValue(part.value())
                .setIsDefault(part.isDefault()));
      }
      response.addCandidates(ranked);
    }
    return response.build();
  }
}
