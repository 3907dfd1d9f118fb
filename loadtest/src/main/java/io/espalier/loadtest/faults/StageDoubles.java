package io.espalier.loadtest.faults;

import io.espalier.catalog.v1.ScoreKind;
import io.espalier.ranking.v1.RankCandidate;
import io.espalier.ranking.v1.RankRequest;
import io.espalier.ranking.v1.RankResponse;
import io.espalier.ranking.v1.RankedCandidate;
import io.espalier.ranking.v1.RankingServiceGrpc;
import io.espalier.retrieval.v1.Candidate;
import io.espalier.retrieval.v1.RetrievalServiceGrpc;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.retrieval.v1.RetrieveResponse;
import io.espalier.rewrite.v1.RewriteRequest;
import io.espalier.rewrite.v1.RewriteResponse;
import io.espalier.rewrite.v1.RewriteServiceGrpc;
import io.espalier.server.EspalierServer;
import io.espalier.server.ServerConfig;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.util.Map;

/**
 * A process that serves all three stages over gRPC with answers that were made beforehand: what is
 * left of a request's time is the router's and the transport's, so that a million of them fit into
 * minutes.
 */
final class StageDoubles {
  private static final int ITEMS = 50;
  private static final RetrieveResponse LIST = list();

  private StageDoubles() {}

  /** Takes {@code --port N}. */
  public static void main(String[] args) throws IOException, InterruptedException {
    EspalierServer server =
        EspalierServer.builder("stages", ServerConfig.of(Map.of("port", args[1])))
            .service(new Retrieval())
            .service(new Rewriting())
            .service(new Ranking())
            .build();
    Runtime.getRuntime().addShutdownHook(Thread.ofPlatform().unstarted(server::close));
    server.start();
    System.out.println("stages: listens at " + server.target());
    server.awaitTermination();
  }

  private static RetrieveResponse list() {
    RetrieveResponse.Builder response =
        RetrieveResponse.newBuilder()
            .setScoreKind(ScoreKind.SCORE_KIND_LOG_PROBABILITY)
            .setHistoryUsed(1);
    for (int i = 0; i < ITEMS; i++) {
      response.addCandidates(Candidate.newBuilder().setItemId("i" + i).setScore(-1 - i));
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
      send(observer, LIST);
    }
  }

  private static final class Rewriting extends RewriteServiceGrpc.RewriteServiceImplBase {
    @Override
    public void rewrite(RewriteRequest request, StreamObserver<RewriteResponse> observer) {
      send(observer, RewriteResponse.getDefaultInstance());
    }
  }

  private static final class Ranking extends RankingServiceGrpc.RankingServiceImplBase {
    @Override
    public void rank(RankRequest request, StreamObserver<RankResponse> observer) {
      RankResponse.Builder response =
          RankResponse.newBuilder().setScoreKind(ScoreKind.SCORE_KIND_RELEVANCE);
      double score = request.getCandidatesCount();
      for (RankCandidate candidate : request.getCandidatesList()) {
        response.addCandidates(
            RankedCandidate.newBuilder().setItemId(candidate.getItemId()).setScore(score--));
      }
      send(observer, response.build());
    }
  }
}
