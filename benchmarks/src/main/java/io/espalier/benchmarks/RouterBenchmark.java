package io.espalier.benchmarks;

import static java.util.Objects.requireNonNull;

import io.espalier.events.v1.Event;
import io.espalier.router.RouterComponent;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.ResultPage;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.RouterServiceGrpc.RouterServiceBlockingStub;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.StageFact;
import io.espalier.server.ClientChannels;
import io.espalier.server.EspalierServer;
import io.espalier.server.ServerConfig;
import io.espalier.stores.users.EmbeddedUserStates;
import io.espalier.stores.users.UserStateStore;
import io.grpc.ManagedChannel;
import java.io.IOException;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.HdrHistogram.Histogram;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What the router costs: whole calls behind the server stack, over stages that answer at once.
 * After each iteration the percentiles of the router's self-time are printed, as its own stage fact
 * states it: the request less the calls on its critical path.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 5, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(
    value = 1,
    jvmArgsAppend = {"--enable-native-access=ALL-UNNAMED", "-XX:+UseCompactObjectHeaders"})
public class RouterBenchmark {
  private static final String FEED =
      """
      name: feed
      kind: feed
      sources: [{bundle: a@1, k: 200}, {bundle: b@1, k: 200}, {bundle: other@1, k: 200}]
      """;
  private static final String SEARCH =
      """
      name: search
      kind: search
      rewriters: [{bundle: r@1}]
      sources: [{bundle: a@1, k: 200, use_rewrites: true}, {bundle: b@1, k: 200}]
      ranking: {bundle: k@1, candidates: 400}
      merge: {method: ranker}
      """;

  @Param private Transport transport = Transport.LOOPBACK;

  private final Histogram selfMicros = new Histogram(2);
  private final RecommendRequest feed = history(20);
  private final SearchRequest search = SearchRequest.newBuilder().setQuery("shoes").build();

  private @Nullable Running running;

  private record Running(
      InstantStages stages,
      UserStateStore users,
      EspalierServer server,
      ManagedChannel channel,
      RouterServiceBlockingStub stub) {}

  @Setup(Level.Trial)
  public void start() throws IOException {
    InstantStages stages = new InstantStages(transport);
    UserStateStore users = EmbeddedUserStates.inMemory(100);
    EspalierServer server =
        transport
            .build(
                RouterComponent.builder(stages.channels(), users)
                    .route(FEED, "feed.yaml")
                    .route(SEARCH, "search.yaml")
                    .build()
                    .install(
                        EspalierServer.builder("router", ServerConfig.of(Map.of("port", "0")))))
            .start();
    ManagedChannel channel = ClientChannels.open(server.target());
    running =
        new Running(stages, users, server, channel, RouterServiceGrpc.newBlockingStub(channel));
  }

  @TearDown(Level.Trial)
  public void stop() {
    Running all = requireNonNull(running);
    all.channel().shutdownNow();
    all.server().close();
    all.stages().close();
    all.users().close();
  }

  @TearDown(Level.Iteration)
  public void print() {
    System.out.printf(
        Locale.ROOT,
        "self-time p50 %d µs, p90 %d µs, p99 %d µs; ",
        selfMicros.getValueAtPercentile(50),
        selfMicros.getValueAtPercentile(90),
        selfMicros.getValueAtPercentile(99));
    selfMicros.reset();
  }

  /** Three sources of 200 items, merged by rank. */
  @Benchmark
  public ResultPage recommend() {
    return noted(stub().recommend(feed).getPage());
  }

  /** Three rewrites, five lists of 200 items, 200 candidates ranked. */
  @Benchmark
  public ResultPage search() {
    return noted(stub().search(search).getPage());
  }

  private RouterServiceBlockingStub stub() {
    return requireNonNull(running).stub().withDeadlineAfter(60, TimeUnit.SECONDS);
  }

  private ResultPage noted(ResultPage page) {
    for (StageFact fact : page.getStagesList()) {
      if (fact.getStage().equals("router")) {
        selfMicros.recordValue(fact.getDurationMicros());
      }
    }
    return page;
  }

  private static RecommendRequest history(int events) {
    RecommendRequest.Builder request = RecommendRequest.newBuilder();
    for (int i = 0; i < events; i++) {
      request.getUserBuilder().addRecentEvents(Event.newBuilder().setItemId("seen" + i));
    }
    return request.build();
  }
}
