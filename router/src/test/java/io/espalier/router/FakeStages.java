package io.espalier.router;

import io.espalier.catalog.v1.ScoreKind;
import io.espalier.ranking.v1.RankRequest;
import io.espalier.ranking.v1.RankResponse;
import io.espalier.ranking.v1.RankedCandidate;
import io.espalier.ranking.v1.RankingServiceGrpc;
import io.espalier.retrieval.v1.Candidate;
import io.espalier.retrieval.v1.ExplainRequest;
import io.espalier.retrieval.v1.ExplainResponse;
import io.espalier.retrieval.v1.Fate;
import io.espalier.retrieval.v1.RetrievalServiceGrpc;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.retrieval.v1.RetrieveResponse;
import io.espalier.rewrite.v1.RewriteOrigin;
import io.espalier.rewrite.v1.RewriteRequest;
import io.espalier.rewrite.v1.RewriteResponse;
import io.espalier.rewrite.v1.RewriteServiceGrpc;
import io.espalier.rewrite.v1.RewrittenQuery;
import io.espalier.server.Announcements;
import io.espalier.server.ClientChannels;
import io.espalier.server.EspalierServer;
import io.espalier.server.RequestException;
import io.espalier.server.ServerConfig;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.stream.IntStream;

/** The three stages as real gRPC services in process, whose bundles answer as a test tells them. */
final class FakeStages implements AutoCloseable {
  final Map<String, Function<RetrieveRequest, RetrieveResponse>> sources =
      new ConcurrentHashMap<>();
  final Map<String, Function<RewriteRequest, RewriteResponse>> rewriters =
      new ConcurrentHashMap<>();
  final Map<String, Function<RankRequest, RankResponse>> rankers = new ConcurrentHashMap<>();
  final List<RetrieveRequest> retrievals = Collections.synchronizedList(new ArrayList<>());
  final List<RankRequest> rankings = Collections.synchronizedList(new ArrayList<>());
  final Announcements announcements = new Announcements();
  final AtomicInteger waiting = new AtomicInteger();
  final AtomicInteger cancelled = new AtomicInteger();

  private final EspalierServer server;
  private final ManagedChannel channel;

  FakeStages() {
    try {
      server =
          EspalierServer.builder("stages", ServerConfig.defaults())
              .service(new Retrieval())
              .service(new Rewriting())
              .service(new Ranking())
              .announcing(announcements)
              .buildInProcess(UUID.randomUUID().toString())
              .start();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    channel = ClientChannels.open(server.target());
  }

  StageChannels channels() {
    return new StageChannels(channel, channel, channel);
  }

  /** Has health say that these bundles, and no others, are ready. */
  FakeStages ready(String... bundles) {
    announcements.announce(Set.of(bundles));
    return this;
  }

  /** A source that returns the same items, best first, to everyone, without the excluded ones. */
  FakeStages source(String bundle, String... items) {
    sources.put(bundle, request -> list(request, List.of(items)));
    return this;
  }

  static RetrieveResponse list(RetrieveRequest request, List<String> items) {
    RetrieveResponse.Builder response =
        RetrieveResponse.newBuilder()
            .setScoreKind(ScoreKind.SCORE_KIND_LOG_PROBABILITY)
            .setHistoryUsed(request.getHistoryCount());
    double score = -1;
    for (String item : items) {
      if (!request.getExcludeList().contains(item)
          && response.getCandidatesCount() < request.getK()) {
        response.addCandidates(
            Candidate.newBuilder().setItemId(item).setScore(score).addSemanticId(7));
        score -= 1;
      }
    }
    return response.setShortList(response.getCandidatesCount() < request.getK()).build();
  }

  FakeStages rewriter(String bundle, String... rewrites) {
    rewriters.put(
        bundle,
        request -> {
          RewriteResponse.Builder response = RewriteResponse.newBuilder();
          for (String rewrite : rewrites) {
            response.addRewrites(
                RewrittenQuery.newBuilder()
                    .setText(rewrite)
                    .setOrigin(RewriteOrigin.REWRITE_ORIGIN_TABLE));
          }
          return response.build();
        });
    return this;
  }

  /** A ranker that likes later candidates better. */
  FakeStages reversingRanker(String bundle) {
    rankers.put(
        bundle,
        request -> {
          RankResponse.Builder response =
              RankResponse.newBuilder().setScoreKind(ScoreKind.SCORE_KIND_RELEVANCE);
          for (int i = 0; i < request.getCandidatesCount(); i++) {
            response.addCandidates(
                RankedCandidate.newBuilder()
                    .setItemId(request.getCandidates(i).getItemId())
                    .setScore(i));
          }
          return response.build();
        });
    return this;
  }

  /** An answer that never comes: ends when its call is cancelled or its deadline passes. */
  <Q, R> Function<Q, R> never() {
    return request -> {
      CountDownLatch latch = new CountDownLatch(1);
      Context.current().addListener(context -> latch.countDown(), Runnable::run);
      waiting.incrementAndGet();
      try {
        latch.await();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      cancelled.incrementAndGet();
      throw new CancellationException("given up");
    };
  }

  static <Q, R> Function<Q, R> failing(RuntimeException failure) {
    return request -> {
      throw failure;
    };
  }

  static String[] items(String prefix, int count) {
    return IntStream.range(0, count).mapToObj(i -> prefix + i).toArray(String[]::new);
  }

  @Override
  public void close() {
    channel.shutdownNow();
    server.close();
  }

  private static <Q, R> R answer(
      Map<String, Function<Q, R>> bundles, String bundle, int version, Q request) {
    Function<Q, R> behaviour = bundles.get(bundle + "@" + version);
    if (behaviour == null) {
      throw RequestException.notFound(
          "bundle: %s@%d (expected: one of %s)".formatted(bundle, version, bundles.keySet()));
    }
    return behaviour.apply(request);
  }

  private static <R> void send(StreamObserver<R> observer, R answer) {
    observer.onNext(answer);
    observer.onCompleted();
  }

  private final class Retrieval extends RetrievalServiceGrpc.RetrievalServiceImplBase {
    @Override
    public void retrieve(RetrieveRequest request, StreamObserver<RetrieveResponse> observer) {
      retrievals.add(request);
      send(observer, answer(sources, request.getBundle(), request.getBundleVersion(), request));
    }

    @Override
    public void explain(ExplainRequest request, StreamObserver<ExplainResponse> observer) {
      send(
          observer,
          ExplainResponse.newBuilder()
              .setFate(Fate.FATE_PRUNED)
              .setDetail("left the beam")
              .setLevel(2)
              .setRank(61)
              .build());
    }
  }

  private final class Rewriting extends RewriteServiceGrpc.RewriteServiceImplBase {
    @Override
    public void rewrite(RewriteRequest request, StreamObserver<RewriteResponse> observer) {
      send(observer, answer(rewriters, request.getBundle(), request.getBundleVersion(), request));
    }
  }

  private final class Ranking extends RankingServiceGrpc.RankingServiceImplBase {
    @Override
    public void rank(RankRequest request, StreamObserver<RankResponse> observer) {
      rankings.add(request);
      send(observer, answer(rankers, request.getBundle(), request.getBundleVersion(), request));
    }
  }
}
