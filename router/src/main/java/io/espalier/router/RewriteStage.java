package io.espalier.router;

import io.espalier.rewrite.v1.RewriteRequest;
import io.espalier.rewrite.v1.RewriteResponse;
import io.espalier.rewrite.v1.RewriteServiceGrpc;
import io.espalier.rewrite.v1.RewriteServiceGrpc.RewriteServiceFutureStub;
import io.espalier.rewrite.v1.RewrittenQuery;
import io.espalier.router.v1.DegradationReason;
import io.espalier.router.v1.Rewrite;
import io.grpc.Channel;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * The rewrite stage: every rewriter of a route is asked at once, and each rewrite is searched as
 * soon as its rewriter has answered. None of them is needed for an answer.
 */
final class RewriteStage {
  private final RewriteServiceFutureStub stub;

  RewriteStage(Channel channel) {
    // Answers only complete a future, which blocks nobody.
    this.stub = RewriteServiceGrpc.newFutureStub(channel).withExecutor(Runnable::run);
  }

  List<StageCall<RewriteResponse>> start(
      Route route, Question question, Route.LadderStep step, Attempts attempts, RequestRun run) {
    if (route.rewriters().isEmpty()) {
      return List.of();
    }
    if (step.skips(Route.Skip.REWRITE)) {
      run.laddered("rewrite", step, "skipped: " + run.why(step));
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
          run.call(
              attempts,
              "rewrite/" + rewriter.bundle().name(),
              rewriter.budget(),
              1,
              deadline -> stub.withDeadline(deadline).rewrite(request)));
    }
    return calls;
  }

  /** The rewrites that came in time, without repetitions; each is handed to the retrieval. */
  List<Rewrite> await(
      Route route,
      Question question,
      List<StageCall<RewriteResponse>> calls,
      RetrievalStage retrieval,
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
}
