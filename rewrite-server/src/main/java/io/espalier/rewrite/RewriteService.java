package io.espalier.rewrite;

import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleSwitch;
import io.espalier.bundles.Lease;
import io.espalier.rewrite.v1.RewriteOrigin;
import io.espalier.rewrite.v1.RewriteRequest;
import io.espalier.rewrite.v1.RewriteResponse;
import io.espalier.rewrite.v1.RewriteServiceGrpc;
import io.espalier.rewrite.v1.RewrittenQuery;
import io.espalier.server.Deadlines;
import io.espalier.server.RequestException;
import io.grpc.stub.StreamObserver;
import java.time.Duration;

/** The gRPC face of the rewriters: checks a request, finds its bundle, converts the answer. */
final class RewriteService extends RewriteServiceGrpc.RewriteServiceImplBase {
  private static final int MAX_QUERY_LENGTH = 512;
  private static final int MAX_REWRITES = 16;

  private final BundleSwitch<Rewriter> bundles;
  private final Duration defaultDeadline;

  RewriteService(BundleSwitch<Rewriter> bundles, Duration defaultDeadline) {
    this.bundles = bundles;
    this.defaultDeadline = defaultDeadline;
  }

  @Override
  public void rewrite(RewriteRequest request, StreamObserver<RewriteResponse> observer) {
    String query = query(request);
    int max = request.getMaxRewrites();
    if (max < 1 || max > MAX_REWRITES) {
      throw RequestException.invalidArgument(
          "max_rewrites: " + max + " (expected: 1.." + MAX_REWRITES + ")");
    }
    long deadline = System.nanoTime() + Deadlines.remaining().orElse(defaultDeadline).toNanos();
    try (Lease<Rewriter> lease = lease(request)) {
      observer.onNext(response(lease.get().rewrite(query, max, deadline)));
    }
    observer.onCompleted();
  }

  private static String query(RewriteRequest request) {
    String query = request.getQuery();
    int length = query.codePointCount(0, query.length());
    if (length > MAX_QUERY_LENGTH) {
      throw RequestException.invalidArgument(
          "query: " + length + " characters (expected: 1.." + MAX_QUERY_LENGTH + ")");
    }
    String normalised = QueryNormaliser.normalise(query);
    if (normalised.isEmpty()) {
      throw RequestException.invalidArgument("query: empty (expected: words)");
    }
    return normalised;
  }

  private Lease<Rewriter> lease(RewriteRequest request) {
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

  private static RewriteResponse response(Rewrites found) {
    RewriteResponse.Builder response =
        RewriteResponse.newBuilder()
            .setNormalisedQuery(found.normalisedQuery())
            .setModelLate(found.modelLate());
    for (Rewrite rewrite : found.rewrites()) {
      response.addRewrites(
          RewrittenQuery.newBuilder()
              .setText(rewrite.text())
              .setOrigin(
                  switch (rewrite.origin()) {
                    case TABLE -> RewriteOrigin.REWRITE_ORIGIN_TABLE;
                    case CACHE -> RewriteOrigin.REWRITE_ORIGIN_CACHE;
                    case MODEL -> RewriteOrigin.REWRITE_ORIGIN_MODEL;
                  })
              .setPersona(rewrite.persona())
              .setScore(rewrite.score()));
    }
    return response.build();
  }
}
