package io.espalier.benchmarks;

import io.espalier.catalog.v1.ScoreKind;
import io.espalier.ranking.v1.RankRequest;
import io.espalier.ranking.v1.RankResponse;
import io.espalier.ranking.v1.RankedCandidate;
import io.espalier.ranking.v1.RankingServiceGrpc;
import io.espalier.retrieval.v1.Candidate;
import io.espalier.retrieval.v1.RetrievalServiceGrpc;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.retrieval.v1.RetrieveResponse;
import io.espalier.rewrite.v1.RewriteOrigin;
import io.espalier.rewrite.v1.RewriteRequest;
import io.espalier.rewrite.v1.RewriteResponse;
import io.espalier.rewrite.v1.RewriteServiceGrpc;
import io.espalier.rewrite.v1.RewrittenQuery;
import io.espalier.router.StageChannels;
import io.espalier.server.ClientChannels;
import io.espalier.server.EspalierServer;
import io.espalier.server.ServerConfig;
import io.grpc.ManagedChannel;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.util.List;
import java.util.Map;

/**
 * The three stages in one server, with answers that were made beforehand: what is left of a
 * request's time is the router's and the transport's.
 *
 * <p>A source returns the first {@code k} of 200 items, best first; bundle {@code other} has items
 * of its own. A rewriter returns three rewrites. A ranker returns its candidates in reverse order.
 */
final class InstantStages implements AutoCloseable {
  private static final int ITEMS = 200;
  private static final RetrieveResponse SAME = list("i");
  private static final RetrieveResponse OTHER = list("j");
  private static final RewriteResponse REWRITES = rewrites("one", "two", "three");

  private final EspalierServer server;
  private final ManagedChannel channel;

  InstantStages(Transport transport) throws IOException {
    server =
        transport
            .build(
                EspalierServer.builder("stages", ServerConfig.of(Map.of("port", "0")))
                    .service(new Retrieval())
                    .service(new Rewriting())
                    .service(new Ranking()))
            .start();
    channel = ClientChannels.open(server.target());
  }

  StageChannels channels() {
    return new StageChannels(channel, channel, channel);
  }

  @Override
  public void close() {
    channel.shutdownNow();
    server.close();
  }

  private static RetrieveResponse list(String prefix) {
    RetrieveResponse.Builder response =
        RetrieveResponse.newBuilder().setScoreKind(ScoreKind.SCORE_KIND_LOG_PROBABILITY);
    for (int i = 0; i < ITEMS; i++) {
      response.addCandidates(
          Candidate.newBuilder().setItemId(prefix + i).setScore(-1 - i).addSemanticId(7));
    }
    return response.build();
  }

  private static RewriteResponse rewrites(String... texts) {
    RewriteResponse.Builder response = RewriteResponse.newBuilder();
    for (String text : List.of(texts)) {
      response.addRewrites(
          RewrittenQuery.newBuilder().setText(text).setOrigin(RewriteOrigin.REWRITE_ORIGIN_TABLE));
    }
    return response.build();
  }

  private static <R> void send(StreamObserver<R> observer, R answer) {
    observer.onNext(answer);
    observer.onCompleted();
  }

  private static final class Retrieval extends RetrievalServiceGrpc.RetrievalServiceImplBase {
    @Override
    public void retrieve(RetrieveRequest request, StreamObserver<RetrieveResponse> observer) {
      send(observer, request.getBundle().equals("other") ? OTHER : SAME);
    }
  }

  private static final class Rewriting extends RewriteServiceGrpc.RewriteServiceImplBase {
    @Override
    public void rewrite(RewriteRequest request, StreamObserver<RewriteResponse> observer) {
      send(observer, REWRITES);
    }
  }

  private static final class Ranking extends RankingServiceGrpc.RankingServiceImplBase {
    @Override
    public void rank(RankRequest request, StreamObserver<RankResponse> observer) {
      RankResponse.Builder response =
          RankResponse.newBuilder().setScoreKind(ScoreKind.SCORE_KIND_RELEVANCE);
      for (int i = 0; i < request.getCandidatesCount(); i++) {
        response.addCandidates(
            RankedCandidate.newBuilder()
                .setItemId(request.getCandidates(i).getItemId())
                .setScore(i));
      }
      send(observer, response.build());
    }
  }
}
