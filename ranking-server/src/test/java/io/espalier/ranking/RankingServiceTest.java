package io.espalier.ranking;

import static io.espalier.ranking.RankingBundles.BIAS;
import static io.espalier.ranking.RankingBundles.DEFAULT;
import static io.espalier.ranking.RankingBundles.E4;
import static io.espalier.ranking.RankingBundles.HETER;
import static io.espalier.ranking.RankingBundles.ITEMS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;
import static org.assertj.core.api.Assertions.within;
import static org.awaitility.Awaitility.await;

import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.catalog.v1.ScoreKind;
import io.espalier.inference.ModelException.Reason;
import io.espalier.ranking.v1.RankCandidate;
import io.espalier.ranking.v1.RankRequest;
import io.espalier.ranking.v1.RankResponse;
import io.espalier.ranking.v1.RankedCandidate;
import io.espalier.ranking.v1.RankingServiceGrpc;
import io.espalier.ranking.v1.RankingServiceGrpc.RankingServiceBlockingStub;
import io.espalier.ranking.v1.ScorePart;
import io.espalier.ranking.v1.SourceScore;
import io.espalier.testing.CountingTelemetry;
import io.espalier.testing.FunctionRunner;
import io.espalier.testing.ServedStage;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class RankingServiceTest {
  private static final long SEED = 41_207;
  private static final List<String> NAMES = List.of("e4", "heter", "fusion", "ranker");

  private static final long SPOIL_SEED = 61_331;
  private static final int SPOILT = 10_000;

  @TempDir Path root;
  private final FunctionRunner runner = RankingBundles.runner();
  private final CountingTelemetry metrics = new CountingTelemetry();
  private final List<AutoCloseable> open = new ArrayList<>();
  private @Nullable ServedStage served;
  private RankingBundles bundles;

  @BeforeEach
  void write() throws IOException {
    bundles = new RankingBundles(root);
    bundles.write();
  }

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable closeable : open.reversed()) {
      closeable.close();
    }
  }

  private RankingServiceBlockingStub serve() throws IOException {
    RankingComponent component =
        RankingComponent.start(
            BundleRepository.open(root),
            NAMES.stream().map(name -> new BundleId(name, 1)).toList(),
            runner,
            RankingSettings.defaults(),
            metrics.telemetry());
    open.add(component);
    assertThat(component.isReady()).isTrue();
    ServedStage stage = ServedStage.of("ranking", component.service());
    open.add(stage);
    served = stage;
    return RankingServiceGrpc.newBlockingStub(stage.channel());
  }

  private static RankRequest.Builder request(String bundle, String... candidates) {
    RankRequest.Builder request = RankRequest.newBuilder().setBundle(bundle).setBundleVersion(1);
    for (String candidate : candidates) {
      request.addCandidates(RankCandidate.newBuilder().setItemId(candidate));
    }
    return request;
  }

  private static RankResponse rank(RankingServiceBlockingStub stub, RankRequest.Builder request) {
    return stub.withDeadlineAfter(30, TimeUnit.SECONDS).rank(request.build());
  }

  private static SourceScore source(String name, double score, double best, boolean byRewrite) {
    return SourceScore.newBuilder()
        .setSource(name)
        .setScore(score)
        .setBestScore(best)
        .setByRewrite(byRewrite)
        .build();
  }

  private static double e4Logit(float[] user, int item) {
    return user[0] * E4[item][0] + user[1] * E4[item][1] + BIAS[item];
  }

  private static double heterLogit(float[] users, float[] item) {
    return Math.max(
        users[0] * item[0] + users[1] * item[1], users[2] * item[0] + users[3] * item[1]);
  }

  @Test
  void rank_e4srec_givesLogitsOfTheMostRecentKnownHistory() throws IOException {
    // "x" is unknown and left out; the model reads the last three of what remains.
    RankResponse response =
        rank(
            serve(),
            request("e4", "c", "a", "unknown", "e")
                .addAllHistory(List.of("a", "b", "x", "c", "d")));

    float[] user = RankingBundles.e4User(new long[] {1, 2, 3});
    assertThat(response.getScoreKind()).isEqualTo(ScoreKind.SCORE_KIND_SIMILARITY);
    assertThat(response.getCandidatesList())
        .extracting(RankedCandidate::getItemId)
        .containsExactly("c", "a", "unknown", "e");
    assertThat(response.getCandidates(0).getScore()).isCloseTo(e4Logit(user, 2), within(1e-6));
    assertThat(response.getCandidates(1).getScore()).isCloseTo(e4Logit(user, 0), within(1e-6));
    // The lowest logit of the catalogue is e's.
    assertThat(response.getCandidates(2).getScore()).isCloseTo(e4Logit(user, 4), within(1e-6));
    assertThat(response.getCandidates(2).getParts(0).getIsDefault()).isTrue();
    assertThat(response.getCandidates(3).getParts(0).getIsDefault()).isFalse();
  }

  @Test
  void rank_heterRec_takesTheBestHeadAndTheDefaultVector() throws IOException {
    RankResponse response =
        rank(serve(), request("heter", "a", "b", "unknown").addAllHistory(List.of("b", "d")));

    // Last event d: brand 2, no category; texts of b and d sum to 3.
    float[] users = RankingBundles.heterUsers(3, 2, -1, 3);
    assertThat(response.getCandidates(0).getScore())
        .isCloseTo(heterLogit(users, HETER[0]), within(1e-6));
    assertThat(response.getCandidates(1).getScore())
        .isCloseTo(heterLogit(users, HETER[1]), within(1e-6));
    assertThat(response.getCandidates(2).getScore())
        .isCloseTo(heterLogit(users, DEFAULT), within(1e-6));
    assertThat(response.getCandidates(2).getParts(0).getIsDefault()).isTrue();
  }

  @ParameterizedTest
  @ValueSource(strings = {"e4", "heter", "fusion"})
  void rank_noKnownHistory_givesEveryItemTheSameDefault(String bundle) throws IOException {
    RankingServiceBlockingStub stub = serve();
    int calls = runner.started().size();

    RankResponse response = rank(stub, request(bundle, "a", "b", "zzz").addHistory("unknown"));

    assertThat(response.getCandidatesList())
        .extracting(RankedCandidate::getScore)
        .containsOnly(response.getCandidates(0).getScore());
    assertThat(response.getCandidates(0).getPartsList()).allMatch(ScorePart::getIsDefault);
    assertThat(runner.started()).hasSize(calls);
  }

  @Test
  void rank_fusion_sumsFlooredLogProbabilities() throws IOException {
    RankRequest.Builder request = request("fusion").addAllHistory(List.of("a", "b", "c"));
    request.addCandidates(
        RankCandidate.newBuilder()
            .setItemId("b")
            .addSourceScores(source("tiger", -2.5, -1, false))
            .addSourceScores(source("near", 0.5, 1, false))
            .addSourceScores(source("other", 99, 99, false)));
    request.addCandidates(
        RankCandidate.newBuilder()
            .setItemId("e")
            .addSourceScores(source("tiger", -30, -1, false))
            .addSourceScores(source("near", 0, 1, false)));
    request.addCandidates(RankCandidate.newBuilder().setItemId("unknown"));

    RankResponse response = rank(serve(), request);

    float[] user = RankingBundles.e4User(new long[] {0, 1, 2});
    float[] users = RankingBundles.heterUsers(2, -1, 2, 3);
    double e4Sum = 0;
    double heterSum = 0;
    for (int i = 0; i < ITEMS.size(); i++) {
      e4Sum += Math.exp(e4Logit(user, i));
      heterSum += Math.exp(heterLogit(users, HETER[i]) / 2);
    }
    double e4B = Math.max(-4, e4Logit(user, 1) - Math.log(e4Sum));
    double e4E = Math.max(-4, e4Logit(user, 4) - Math.log(e4Sum));
    double heterB = Math.max(-3, heterLogit(users, HETER[1]) / 2 - Math.log(heterSum));
    double heterE = Math.max(-3, heterLogit(users, HETER[4]) / 2 - Math.log(heterSum));
    double heterUnknown = Math.max(-3, heterLogit(users, DEFAULT) / 2 - Math.log(heterSum));
    assertThat(response.getScoreKind()).isEqualTo(ScoreKind.SCORE_KIND_FUSED_LOG_PROBABILITY);
    assertThat(response.getBundlesList()).containsExactly("e4@1", "heter@1", "tiger@1", "near@1");
    assertThat(response.getCandidates(0).getScore())
        .isCloseTo(e4B + 1.5 * heterB + 0.5 * -2.5 + 0.25 * Math.log(0.5), within(1e-5));
    // Tiger's −30 and the neighbours' logarithm of 0 are below their floors.
    assertThat(response.getCandidates(1).getScore())
        .isCloseTo(e4E + 1.5 * heterE + 0.5 * -9 + 0.25 * -7, within(1e-5));
    // E4SRec says nothing of an unknown item, HeterRec has a default vector for it.
    assertThat(response.getCandidates(2).getScore())
        .isCloseTo(-4 + 1.5 * heterUnknown + 0.5 * -9 + 0.25 * -7, within(1e-5));
    assertThat(response.getCandidates(0).getPartsList())
        .extracting(ScorePart::getName, ScorePart::getIsDefault)
        .containsExactly(
            tuple("e4", false), tuple("heter", false), tuple("tiger", false), tuple("near", false));
    assertThat(response.getCandidates(2).getPartsList())
        .extracting(ScorePart::getIsDefault)
        .containsExactly(true, true, true, true);
  }

  @Test
  void rank_fusion_runsItsScorersSideBySide() throws Exception {
    RankingServiceBlockingStub stub = serve();
    CompletableFuture<Void> held = runner.hold();
    int e4 = runner.calls("e4-user");
    int heter = runner.calls("heter-user");
    try (ExecutorService pool = Executors.newSingleThreadExecutor()) {
      Future<RankResponse> answer =
          pool.submit(() -> rank(stub, request("fusion", "a").addHistory("b")));

      // Neither has ended, and both have been started.
      await().until(() -> runner.calls("e4-user") == e4 + 1);
      await().until(() -> runner.calls("heter-user") == heter + 1);
      held.complete(null);
      assertThat(answer.get().getCandidatesCount()).isEqualTo(1);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"e4", "heter", "fusion", "ranker"})
  void rank_candidatesInAnyOrder_haveTheSameScores(String bundle) throws IOException {
    System.out.println("seed " + SEED);
    Random random = new Random(SEED);
    RankingServiceBlockingStub stub = serve();
    List<RankCandidate> candidates = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      candidates.add(
          RankCandidate.newBuilder()
              .setItemId(i < ITEMS.size() ? ITEMS.get(i) : "unknown" + i)
              .addSourceScores(source("tiger", -random.nextDouble(), 0, false))
              .addSourceScores(source("text", random.nextDouble(), 2, random.nextBoolean()))
              .build());
    }
    Map<String, Double> expected = new HashMap<>();
    for (int round = 0; round < 20; round++) {
      RankResponse response =
          rank(
              stub,
              request(bundle)
                  .addAllCandidates(candidates)
                  .setQuery("red phone")
                  .addAllHistory(List.of("a", "d")));
      for (RankedCandidate candidate : response.getCandidatesList()) {
        Double before = expected.putIfAbsent(candidate.getItemId(), candidate.getScore());
        assertThat(before == null || before == candidate.getScore())
            .as("%s: %s, before %s", candidate.getItemId(), candidate.getScore(), before)
            .isTrue();
      }
      Collections.shuffle(candidates, random);
      candidates = new ArrayList<>(candidates.subList(0, Math.max(1, candidates.size() - 3)));
    }
  }

  @Test
  void rank_search_followsTheDefinitions() throws IOException {
    RankRequest.Builder request =
        request("ranker").setQuery("Red phones blue").addAllRewrites(List.of("", "cases", "red x"));
    request.addCandidates(
        RankCandidate.newBuilder()
            .setItemId("a")
            .addSourceScores(source("text", 3, 4, false))
            .addSourceScores(source("text", 4, 4, true))
            .addSourceScores(source("dense", 9, 9, false)));
    request.addCandidates(RankCandidate.newBuilder().setItemId("b"));
    request.addCandidates(
        RankCandidate.newBuilder().setItemId("d").addSourceScores(source("text", 0, 0, false)));
    request.addCandidates(
        RankCandidate.newBuilder()
            .setItemId("unknown")
            .addSourceScores(source("text", 4, 4, false)));

    RankResponse response = rank(serve(), request);

    assertThat(response.getScoreKind()).isEqualTo(ScoreKind.SCORE_KIND_RELEVANCE);
    assertThat(response.getBundlesList()).containsExactly("text@1", "dense@1", "encoder@1");
    // Accessories: none of the phones, one of two cases, one of two lamps.
    double asks = 0.2 * 0.5 + 0.1 * 0.5;
    Map<String, Double> a = parts(response.getCandidates(0));
    // "Red" and "phones" (stemmed) of three terms.
    assertThat(a.get("attribute")).isCloseTo(2.0 / 3, within(1e-9));
    assertThat(a.get("title")).as("red alone").isCloseTo(1.0 / 3, within(1e-9));
    assertThat(a.get("bm25")).isEqualTo(0.75);
    assertThat(a.get("dense")).isCloseTo(0.8 / 3, within(1e-6));
    assertThat(a.get("type")).isCloseTo(1.0 / 3, within(1e-6));
    assertThat(a.get("rewrite")).as("it has red, and not x").isEqualTo(0);
    assertThat(a.get("accessory")).isEqualTo(0);
    assertThat(response.getCandidates(0).getScore())
        .isCloseTo(0.75 + 0.5 * 0.8 / 3 + 0.25 / 3 + 0.125 * 2 / 3, within(1e-6));
    Map<String, Double> b = parts(response.getCandidates(1));
    assertThat(b.get("bm25")).isEqualTo(0);
    assertThat(b.get("attribute")).isEqualTo(0);
    assertThat(b.get("dense")).isCloseTo(0.6, within(1e-6));
    assertThat(b.get("type")).isCloseTo(1 + Math.log(0.2 / 0.7) / 2, within(1e-6));
    assertThat(b.get("accessory")).isCloseTo(-(1 - asks), within(1e-6));
    assertThat(b.get("rewrite")).as("it has every term of cases").isEqualTo(1);
    Map<String, Double> d = parts(response.getCandidates(2));
    assertThat(d.get("bm25")).isEqualTo(0);
    assertThat(d.get("dense")).as("−0.8 counts as 0").isEqualTo(0);
    assertThat(d.get("attribute")).isCloseTo(1.0 / 3, within(1e-9));
    assertThat(d.get("title")).isEqualTo(0);
    assertThat(d.get("type")).isCloseTo((1 + Math.log(0.1 / 0.7) / 2) * 2 / 3, within(1e-6));
    assertThat(response.getCandidates(3).getScore()).isCloseTo(1, within(1e-9));
    assertThat(response.getCandidates(3).getPartsList())
        .filteredOn(part -> !part.getIsDefault())
        .extracting(ScorePart::getName)
        .containsExactly("bm25");
  }

  private static Map<String, Double> parts(RankedCandidate candidate) {
    Map<String, Double> parts = new HashMap<>();
    candidate.getPartsList().forEach(part -> parts.put(part.getName(), part.getValue()));
    return parts;
  }

  @Test
  void rank_features_areCountedByHitAndMiss() throws IOException {
    RankingServiceBlockingStub stub = serve();
    Map<String, Long> before = metrics.counts("espalier.ranking.feature.lookups");

    rank(stub, request("heter", "a", "b", "unknown").addAllHistory(List.of("a", "d", "gone")));

    Map<String, Long> after = metrics.counts("espalier.ranking.feature.lookups");
    Map<String, Long> more = new HashMap<>();
    after.forEach((name, count) -> more.put(name, count - before.getOrDefault(name, 0L)));
    more.values().removeIf(count -> count == 0);
    // Attributes are in the order of their names: bundle, feature, hit, ranker.
    assertThat(more)
        .containsOnly(
            Map.entry("[heter@1, item_vectors, true, heter@1]", 2L),
            Map.entry("[heter@1, item_vectors, false, heter@1]", 1L),
            Map.entry("[heter@1, text, true, heter@1]", 2L),
            Map.entry("[heter@1, brands, true, heter@1]", 2L),
            Map.entry("[heter@1, categories, true, heter@1]", 2L));
  }

  @Test
  void rank_searchRankerWithoutQuery_isRefused() throws IOException {
    RankingServiceBlockingStub stub = serve();

    assertStatus(
        () -> rank(stub, request("ranker", "a").setQuery(" ")),
        Status.Code.INVALID_ARGUMENT,
        "query: empty (expected: words)");
  }

  @Test
  void rank_mostCandidates_areScored() throws IOException {
    RankRequest.Builder request = request("fusion").addHistory("a");
    for (int i = 0; i < 500; i++) {
      request.addCandidates(RankCandidate.newBuilder().setItemId("i" + i));
    }

    assertThat(rank(serve(), request).getCandidatesCount()).isEqualTo(500);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "e4|1|0|0|INVALID_ARGUMENT|candidates: 0 (expected: 1..500)",
        "e4|1|501|0|INVALID_ARGUMENT|candidates: 501 (expected: 1..500)",
        "e4|1|1|1001|INVALID_ARGUMENT|history: 1001 events (expected: 0..1000)",
        "e4|2|1|1|NOT_FOUND|bundle: e4@2 (expected: one of [e4@1, fusion@1, heter@1, ranker@1])",
        "tiger|1|1|1|NOT_FOUND|bundle: tiger@1",
        "E4|1|1|1|INVALID_ARGUMENT|bundle name: E4",
        "e4|-1|1|1|INVALID_ARGUMENT|bundle version: -1 (expected: >= 1)",
      })
  void rank_badInput_isRefused(
      String bundle, int version, int candidates, int history, Status.Code code, String message)
      throws IOException {
    RankRequest.Builder request =
        RankRequest.newBuilder().setBundle(bundle).setBundleVersion(version);
    for (int i = 0; i < candidates; i++) {
      request.addCandidates(RankCandidate.newBuilder().setItemId("i" + i));
    }
    for (int i = 0; i < history; i++) {
      request.addHistory("a");
    }
    RankingServiceBlockingStub stub = serve();

    assertStatus(() -> rank(stub, request), code, message);
  }

  @Test
  void rank_badCandidate_isNamed() throws IOException {
    RankingServiceBlockingStub stub = serve();

    assertStatus(
        () -> rank(stub, request("e4", "a", "b", "a")),
        Status.Code.INVALID_ARGUMENT,
        "candidates[2].item_id: a twice (expected: once)");
    assertStatus(
        () -> rank(stub, request("e4", "")),
        Status.Code.INVALID_ARGUMENT,
        "candidates[0].item_id: empty");
    assertStatus(
        () ->
            rank(
                stub,
                request("e4")
                    .addCandidates(
                        RankCandidate.newBuilder()
                            .setItemId("a")
                            .addSourceScores(source("tiger", Double.NaN, 1, false)))),
        Status.Code.INVALID_ARGUMENT,
        "candidates[0].source_scores[0]: NaN of 1.0 (expected: finite)");
    assertStatus(
        () -> rank(stub, request("ranker", "a").setQuery("x".repeat(513))),
        Status.Code.INVALID_ARGUMENT,
        "query: 513 characters (expected: 0..512)");
    assertStatus(
        () -> rank(stub, request("ranker", "a").setQuery("x").addRewrites("x".repeat(513))),
        Status.Code.INVALID_ARGUMENT,
        "rewrites: 513 characters (expected: 0..512)");
    assertStatus(
        () ->
            rank(
                stub,
                request("ranker", "a").setQuery("x").addAllRewrites(Collections.nCopies(65, "x"))),
        Status.Code.INVALID_ARGUMENT,
        "rewrites: 65 (expected: 0..64)");
  }

  @ParameterizedTest
  @EnumSource(Reason.class)
  void rank_modelRefuses_saysSo(Reason reason) throws IOException {
    RankingServiceBlockingStub stub = serve();
    runner.fail(reason);

    Status.Code expected =
        switch (reason) {
          case QUEUE_FULL -> Status.Code.RESOURCE_EXHAUSTED;
          case EXPIRED -> Status.Code.DEADLINE_EXCEEDED;
          case INVALID_INPUT -> Status.Code.FAILED_PRECONDITION;
          case UNKNOWN_MODEL, NOT_READY, FAILED -> Status.Code.UNAVAILABLE;
        };
    assertStatus(() -> rank(stub, request("fusion", "a").addHistory("a")), expected, "the fake");
  }

  @Test
  void rank_deadlinePasses_cancelsTheModelCalls() throws IOException {
    RankingServiceBlockingStub stub = serve();
    CompletableFuture<Void> unending = runner.hold();
    int before = runner.started().size();

    assertThatThrownBy(
            () ->
                stub.withDeadlineAfter(200, TimeUnit.MILLISECONDS)
                    .rank(request("fusion", "a").addHistory("a").build()))
        .isInstanceOfSatisfying(
            StatusRuntimeException.class,
            e -> assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.DEADLINE_EXCEEDED));

    assertThat(unending).isNotDone();
    await()
        .atMost(30, TimeUnit.SECONDS)
        .until(
            () -> runner.started().stream().skip(before).allMatch(CompletableFuture::isCancelled));
  }

  @Test
  void rank_callerGoesAway_cancelsTheModelCalls() throws Exception {
    RankingServiceBlockingStub stub = serve();
    CompletableFuture<Void> unending = runner.hold();
    int before = runner.started().size();
    try (Context.CancellableContext context = Context.current().withCancellation();
        ExecutorService pool = Executors.newSingleThreadExecutor()) {
      Future<?> call =
          pool.submit(
              context.wrap(
                  () -> {
                    rank(stub, request("fusion", "a").addHistory("a"));
                  }));
      await().until(() -> runner.started().size() == before + 2);

      context.cancel(null);

      await()
          .atMost(30, TimeUnit.SECONDS)
          .until(
              () ->
                  runner.started().stream().skip(before).allMatch(CompletableFuture::isCancelled));
      assertThatThrownBy(call::get).hasCauseInstanceOf(StatusRuntimeException.class);
      assertThat(unending).isNotDone();
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{kind: rank, sources: {e4@1: {weight: 1, floor: 0}}}|parameters.kind: rank (expected: log_probability)",
        "{sources: {}}|parameters.sources: none (expected: at least one bundle)",
        "{sources: {e4: {weight: 1, floor: 0}}}|parameters.sources.e4: not a bundle's version (expected: name@version)",
        "{sources: {e4@1: {floor: 0}}}|parameters.sources.e4@1.weight: missing",
        "{sources: {e4@1: {weight: 1, floor: 0, temperature: 0}}}|temperature: 0.0 (expected: > 0)",
        "{sources: {tiger@1: {weight: 1, floor: 0, temperature: 2}}}|temperature: 2.0 (expected: 1",
        "{sources: {text@1: {weight: 1, floor: 0}}}|parameters.sources.text@1: TextIndex (expected: E4SRec",
        "{sources: {e4@2: {weight: 1, floor: 0}}}|bundle e4@2: unknown",
      })
  void start_brokenFusion_namesTheKey(String parameters, String message) throws IOException {
    bundles.fusion(parameters).write();

    assertThatThrownBy(this::serve)
        .isInstanceOf(BundleException.class)
        .hasMessageContaining(message);
  }

  @Test
  void start_brokenTables_nameTheFile() throws IOException {
    bundles.e4().matrix("item_vectors", 2, 1, 2, 3, 4).write();
    assertThatThrownBy(this::serve).hasMessageContaining("item_vectors: 2 x 2 (expected: 5 x 2)");
    bundles
        .e4()
        .matrix("item_vectors", 2, new float[10])
        .matrix("item_bias", 1, Float.NaN, 0, 0, 0, 0)
        .write();
    assertThatThrownBy(this::serve).hasMessageContaining("score of a: NaN (expected: finite)");
    bundles.e4().write();
    bundles.heter().text("item_features", "a\t0\t1\n").write();
    assertThatThrownBy(this::serve)
        .hasMessageContaining("item_features: 1 lines (expected: 5, one an item)");
    bundles.heter().text("item_features", "a\t0\t1\nc\t1\t1\nb\t1\t2\nd\t2\t1\ne\t0\t0\n").write();
    assertThatThrownBy(this::serve).hasMessageContaining("line 2: c (expected: b, as in items)");
    bundles.heter().write();
    bundles.ranker("{bm25: 1, headline: 1}").write();
    assertThatThrownBy(this::serve)
        .hasMessageContaining("parameters.weights.headline: unknown (expected: one of [bm25,");
    bundles.ranker("{bm25: 1}").bytes("item_terms", new byte[] {1, 0, 0, 0}).write();
    assertThatThrownBy(this::serve)
        .hasMessageContaining("item 0: 1 terms (expected: as many as follow)");
    bundles.ranker("{bm25: 1}").text("item_types", "a\t3\t0\n").write();
    assertThatThrownBy(this::serve).hasMessageContaining("item_types:1: type: 3 (expected: 0..2)");
  }

  /** Nothing that a caller can send is a defect: every answer is one that a rule knows. */
  @Test
  void rank_spoiltRequests_neverUseTheFallback() throws IOException {
    serve();
    List<RankRequest> sound =
        List.of(
            request("ranker", "a", "b", "unknown")
                .setQuery("red phone")
                .addRewrites("red case")
                .build(),
            request("fusion", "a", "c")
                .addHistory("b")
                .addCandidates(
                    RankCandidate.newBuilder()
                        .setItemId("d")
                        .addSourceScores(source("tiger", -1, -0.5, true)))
                .build());
    ServedStage stage = Objects.requireNonNull(served);
    assertThat(
            stage.callSpoilt(
                RankingServiceGrpc.getRankMethod(),
                i -> sound.get(i % sound.size()),
                SPOILT,
                SPOIL_SEED))
        .containsOnlyKeys(Status.Code.OK, Status.Code.INVALID_ARGUMENT, Status.Code.NOT_FOUND);
    assertThat(stage.server().unmappedExceptions()).isZero();
  }

  @Test
  void hash_terms_isFnv1a() {
    // Vectors of the algorithm's authors.
    assertThat(ItemTerms.hash("")).isEqualTo(0x811c9dc5);
    assertThat(ItemTerms.hash("a")).isEqualTo(0xe40c292c);
    assertThat(ItemTerms.hash("foobar")).isEqualTo(0xbf9cf968);
  }

  private static void assertStatus(ThrowingCallable call, Status.Code code, String message) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            StatusRuntimeException.class,
            e -> {
              assertThat(e.getStatus().getCode()).isEqualTo(code);
              assertThat(e.getStatus().getDescription()).contains(message);
            });
  }
}
