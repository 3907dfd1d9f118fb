package io.espalier.router;

import io.espalier.retrieval.v1.NarrowedBeams;
import io.espalier.retrieval.v1.RetrievalServiceGrpc.RetrievalServiceFutureStub;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.retrieval.v1.RetrieveResponse;
import io.espalier.router.RouteAnswer.AskedSource;
import io.espalier.router.SourceList.Retrieved;
import io.espalier.router.v1.DegradationReason;
import io.espalier.server.RequestException;
import io.grpc.Status;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** The retrieval stage of one request: which sources are asked, with what, and what came back. */
final class RetrievalStage {
  private final RetrievalServiceFutureStub stub;
  private final Attempts attempts;
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

  RetrievalStage(
      RetrievalServiceFutureStub stub,
      Attempts attempts,
      Route route,
      Question question,
      List<String> history,
      Set<String> excluded,
      RequestRun run) {
    this.stub = stub;
    this.attempts = attempts;
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
    Route.LadderStep step = run.step(route);
    int k = rewrite.isEmpty() || source.rewriteK() == 0 ? source.k() : source.rewriteK();
    int beam = source.beam();
    if (step.k() > 0 && step.k() < k) {
      run.laddered(stage, step, "%d items instead of %d".formatted(step.k(), k));
      k = step.k();
    }
    if (step.beam() > 0 && step.beam() < beam) {
      run.laddered(stage, step, "%d beams instead of %d".formatted(step.beam(), beam));
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
            .addAllExclude(excluded)
            .setMinCatalogOffset(question.options().getMinCatalogOffset());
    question.filter().ifPresent(request::setFilter);
    if (source.decoding() != null) {
      request.setDecoding(source.decoding().message());
    }
    RetrieveRequest built = request.build();
    if (rewrite.isEmpty()) {
      requests.put(index, built);
    }
    pending.add(
        new Pending(
            index,
            rewrite,
            route.merge().weight(source.bundle().name()) * rewriteWeight,
            run.call(
                attempts,
                rewrite.isEmpty() ? stage : stage + "/rewrite",
                source.budget(),
                history.size(),
                deadline -> stub.withDeadline(deadline).retrieve(built))));
  }

  /** Every list that came in time; asks the sources for users without history where none did. */
  List<Retrieved> await() {
    List<Retrieved> lists = awaitPending();
    if (question.kind() == Route.Kind.FEED && !history.isEmpty() && unasked()) {
      boolean unknown = unknownHistory(lists);
      if (unknown) {
        // Beside what the sources that need no history have found.
        lists = new ArrayList<>(lists);
        lists.addAll(startWithoutHistory());
      } else if (!anyAnswered) {
        run.degraded(
            "retrieval",
            DegradationReason.DEGRADATION_REASON_PARTIAL,
            "no source answered: asked those for users without history");
        lists = startWithoutHistory();
      }
    }
    if (!anyAnswered) {
      throw worst().failure("retrieval");
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
          if (answered.value().hasNarrowed()) {
            NarrowedBeams narrowed = answered.value().getNarrowed();
            run.degraded(
                one.call().stage(),
                DegradationReason.DEGRADATION_REASON_LOAD,
                "%d beams instead of %d".formatted(narrowed.getSearched(), narrowed.getAsked()));
          }
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
            throw missed.failure(one.call().stage());
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
