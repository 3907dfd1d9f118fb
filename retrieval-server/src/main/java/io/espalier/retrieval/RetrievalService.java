package io.espalier.retrieval;

import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleSwitch;
import io.espalier.bundles.Lease;
import io.espalier.catalog.v1.ScoreKind;
import io.espalier.retrieval.v1.Candidate;
import io.espalier.retrieval.v1.ExplainRequest;
import io.espalier.retrieval.v1.ExplainResponse;
import io.espalier.retrieval.v1.Fate;
import io.espalier.retrieval.v1.NarrowedBeams;
import io.espalier.retrieval.v1.RetrievalServiceGrpc;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.retrieval.v1.RetrieveResponse;
import io.espalier.server.Admission;
import io.espalier.server.Deadlines;
import io.espalier.server.RequestException;
import io.grpc.stub.StreamObserver;
import io.opentelemetry.api.metrics.Meter;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;

/** The gRPC face of the retrievers: checks, converts, asks one of them. Calls may block. */
final class RetrievalService extends RetrievalServiceGrpc.RetrievalServiceImplBase {
  private static final int MAX_QUERY_CHARS = 8192;
  // For callers that set no deadline.
  private static final Duration PATIENCE = Duration.ofSeconds(30);

  // A replica that follows at all is milliseconds behind.
  private static final Duration CATCH_UP = Duration.ofSeconds(2);

  private final BundleSwitch<Source> bundles;
  private final Catalogue catalogue;
  private final LegalityCheck legality;
  private final FilterMetrics filters;

  RetrievalService(
      BundleSwitch<Source> bundles, Catalogue catalogue, LegalityCheck legality, Meter meter) {
    this.filters = new FilterMetrics(meter);
    this.legality = legality;
    this.bundles = bundles;
    this.catalogue = catalogue;
  }

  @Override
  public void retrieve(RetrieveRequest request, StreamObserver<RetrieveResponse> responses) {
    RetrieveResponse response;
    try (Lease<Source> lease = lease(request)) {
      response = retrieve(request, lease.get().retriever());
    }
    responses.onNext(response);
    responses.onCompleted();
  }

  private RetrieveResponse retrieve(RetrieveRequest request, Retriever retriever) {
    Question question = question(request, retriever);
    requireItems(question);
    if (question.deadlineNanos() - System.nanoTime() <= 0) {
      throw RequestException.deadlineExceeded("deadline: passed (expected: time for a search)");
    }
    Admission.work(source(request));
    filters.asked(question);
    Answer answer = retriever.retrieve(question);
    List<Answer.Hit> hits = legality.legal(answer.hits(), question, source(request));
    RetrieveResponse.Builder response =
        RetrieveResponse.newBuilder()
            .setScoreKind(scoreKind(retriever.scoreKind()))
            .setShortList(answer.shortList() || hits.size() < answer.hits().size())
            .setCatalogOffset(question.catalogue().offset())
            .setHistoryUsed(answer.historyUsed())
            .setFused(answer.fused());
    for (Answer.Hit hit : hits) {
      response.addCandidates(
          Candidate.newBuilder()
              .setItemId(hit.id())
              .setScore(hit.score())
              .addAllSemanticId(hit.semanticId())
              .setUnseen(hit.unseen()));
    }
    if (answer.narrowed() != null) {
      response.setNarrowed(
          NarrowedBeams.newBuilder()
              .setAsked(answer.narrowed().asked())
              .setSearched(answer.narrowed().searched()));
    }
    answer.logMass().ifPresent(response::setLogMass);
    return response.build();
  }

  @Override
  public void explain(ExplainRequest request, StreamObserver<ExplainResponse> responses) {
    if (request.getItemId().isEmpty()) {
      throw RequestException.invalidArgument("item_id: empty (expected: an external id)");
    }
    Verdict verdict;
    try (Lease<Source> lease = lease(request.getRequest())) {
      Retriever retriever = lease.get().retriever();
      Question question = question(request.getRequest(), retriever);
      requireItems(question);
      verdict = retriever.explain(question, request.getItemId());
    }
    responses.onNext(
        ExplainResponse.newBuilder()
            .setFate(fate(verdict.fate()))
            .setDetail(verdict.detail())
            .setLevel(verdict.level())
            .setRank(verdict.rank())
            .build());
    responses.onCompleted();
  }

  private Lease<Source> lease(RetrieveRequest request) {
    if (request.getBundle().isEmpty()) {
      throw RequestException.invalidArgument("bundle: empty (expected: a bundle's name)");
    }
    if (request.getBundleVersion() < 1) {
      throw RequestException.invalidArgument(
          "bundle_version: " + request.getBundleVersion() + " (expected: >= 1)");
    }
    return served(request)
        .orElseThrow(
            () ->
                RequestException.notFound(
                    "bundle: " + source(request) + " (served here: " + bundles.serving() + ")"));
  }

  /** Empty also where no bundle can have such a name. */
  private Optional<Lease<Source>> served(RetrieveRequest request) {
    try {
      return bundles.acquire(new BundleId(request.getBundle(), request.getBundleVersion()));
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  private static String source(RetrieveRequest request) {
    return request.getBundle() + "@" + request.getBundleVersion();
  }

  private Question question(RetrieveRequest request, Retriever retriever) {
    int k = request.getK();
    if (k < 1 || k > Question.MAX_K) {
      throw RequestException.invalidArgument("k: " + k + " (expected: 1.." + Question.MAX_K + ")");
    }
    int beamWidth = request.getBeamWidth();
    if (beamWidth < 0 || beamWidth > Question.MAX_BEAM_WIDTH) {
      throw RequestException.invalidArgument(
          "beam_width: " + beamWidth + " (expected: 0.." + Question.MAX_BEAM_WIDTH + ")");
    }
    requireFew("history", request.getHistoryCount());
    requireFew("exclude", request.getExcludeCount());
    if (request.getQuery().length() > MAX_QUERY_CHARS) {
      throw RequestException.invalidArgument(
          "query: "
              + request.getQuery().length()
              + " characters (expected: at most "
              + MAX_QUERY_CHARS
              + ")");
    }
    if (request.hasDecoding() && !retriever.isControlled()) {
      throw RequestException.invalidArgument(
          "decoding: given (expected: none for a source without beams that it could choose)");
    }
    long deadlineNanos = System.nanoTime() + Deadlines.remaining().orElse(PATIENCE).toNanos();
    return new Question(
        k,
        beamWidth,
        request.getHistoryList(),
        request.getQuery(),
        request.hasFilter() ? FilterReader.read(request.getFilter()) : null,
        new HashSet<>(request.getExcludeList()),
        catalogueAt(request.getMinCatalogOffset(), deadlineNanos),
        request.hasDecoding() ? ControlReader.read(request.getDecoding()) : Control.NONE,
        deadlineNanos);
  }

  private static void requireFew(String field, int ids) {
    if (ids > Question.MAX_IDS) {
      throw RequestException.invalidArgument(
          "%s: %d ids (expected: at most %d)".formatted(field, ids, Question.MAX_IDS));
    }
  }

  /** The catalogue as it is, or as soon as it is as new as the caller wants it. */
  private CatalogueView catalogueAt(long minOffset, long deadlineNanos) {
    if (minOffset < 0) {
      throw RequestException.invalidArgument(
          "min_catalog_offset: " + minOffset + " (expected: >= 0)");
    }
    try {
      long patience = Math.min(CATCH_UP.toNanos(), (deadlineNanos - System.nanoTime()) / 2);
      CatalogueView then = catalogue.await(minOffset, patience);
      if (then.offset() < minOffset) {
        throw behind(minOffset, then);
      }
      return then;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw RequestException.unavailable("the server is stopping");
    }
  }

  private static RequestException behind(long minOffset, CatalogueView view) {
    return RequestException.failedPrecondition(
        "min_catalog_offset: " + minOffset + " (expected: at most " + view.offset() + " by now)");
  }

  private static void requireItems(Question question) {
    if (question.catalogue().items().size() == 0) {
      throw RequestException.failedPrecondition("catalogue: empty (expected: at least one item)");
    }
  }

  private static ScoreKind scoreKind(io.espalier.retrieval.ScoreKind kind) {
    return switch (kind) {
      case LOG_PROBABILITY -> ScoreKind.SCORE_KIND_LOG_PROBABILITY;
      case SIMILARITY -> ScoreKind.SCORE_KIND_SIMILARITY;
      case BM25 -> ScoreKind.SCORE_KIND_BM25;
      case POPULARITY -> ScoreKind.SCORE_KIND_POPULARITY;
      case BEAM_FUSION -> ScoreKind.SCORE_KIND_BEAM_FUSION;
      case GROUNDING -> ScoreKind.SCORE_KIND_GROUNDING;
    };
  }

  private static Fate fate(Verdict.Fate fate) {
    return switch (fate) {
      case UNKNOWN_ITEM -> Fate.FATE_UNKNOWN_ITEM;
      case NOT_INDEXED -> Fate.FATE_NOT_INDEXED;
      case NOT_RUN -> Fate.FATE_NOT_RUN;
      case FILTERED -> Fate.FATE_FILTERED;
      case PRUNED -> Fate.FATE_PRUNED;
      case OUTRANKED -> Fate.FATE_OUTRANKED;
      case KEPT -> Fate.FATE_KEPT;
    };
  }
}
