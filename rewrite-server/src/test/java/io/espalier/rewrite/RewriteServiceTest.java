package io.espalier.rewrite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.awaitility.Awaitility.await;

import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.inference.ModelException.Reason;
import io.espalier.rewrite.v1.RewriteOrigin;
import io.espalier.rewrite.v1.RewriteRequest;
import io.espalier.rewrite.v1.RewriteResponse;
import io.espalier.rewrite.v1.RewriteServiceGrpc;
import io.espalier.rewrite.v1.RewriteServiceGrpc.RewriteServiceBlockingStub;
import io.espalier.rewrite.v1.RewrittenQuery;
import io.espalier.testing.CountingTelemetry;
import io.espalier.testing.FunctionRunner;
import io.espalier.testing.ServedStage;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
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

class RewriteServiceTest {
  private static final List<BundleId> BUNDLES =
      List.of(
          new BundleId("shop-beque", 1), new BundleId("tables", 1), new BundleId("personas", 1));
  // Long enough for a busy machine: no test waits for it to pass.
  private static final Duration PATIENT = Duration.ofSeconds(30);

  private static final long SPOIL_SEED = 61_331;
  private static final int SPOILT = 10_000;

  @TempDir Path root;
  private final FunctionRunner runner = RewriteBundles.runner();
  private final CountingTelemetry metrics = new CountingTelemetry();
  private final List<AutoCloseable> open = new ArrayList<>();
  private @Nullable ServedStage served;
  private RewriteBundles bundles;

  @BeforeEach
  void write() throws IOException {
    bundles = new RewriteBundles(root);
    bundles.write();
  }

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable closeable : open.reversed()) {
      closeable.close();
    }
  }

  private RewriteServiceBlockingStub serve(RewriteSettings settings) throws IOException {
    RewriteComponent component =
        RewriteComponent.start(
            BundleRepository.open(root), BUNDLES, runner, settings, metrics.telemetry());
    open.add(component);
    assertThat(component.isReady()).isTrue();
    assertThat(component.bundles().serving()).containsExactlyInAnyOrderElementsOf(BUNDLES);
    ServedStage stage = ServedStage.of("rewrite", component.service());
    open.add(stage);
    served = stage;
    return RewriteServiceGrpc.newBlockingStub(stage.channel());
  }

  private RewriteServiceBlockingStub serve() throws IOException {
    return serve(RewriteSettings.defaults().withModelBudget(PATIENT));
  }

  private static RewriteRequest request(String bundle, String query) {
    return RewriteRequest.newBuilder()
        .setBundle(bundle)
        .setBundleVersion(1)
        .setQuery(query)
        .setMaxRewrites(16)
        .build();
  }

  private static List<String> texts(RewriteResponse response) {
    return response.getRewritesList().stream().map(RewrittenQuery::getText).toList();
  }

  private static RewriteResponse rewrite(RewriteServiceBlockingStub stub, String query) {
    return stub.withDeadlineAfter(30, TimeUnit.SECONDS).rewrite(request("shop-beque", query));
  }

  @Test
  void rewrite_inTheTable_answersInItsOrderWithoutTheQuery() throws IOException {
    RewriteServiceBlockingStub stub = serve();
    int before = runner.calls("shop-beque-encoder");

    RewriteResponse response = rewrite(stub, "  Red LAMP");

    assertThat(response.getNormalisedQuery()).isEqualTo("red lamp");
    assertThat(texts(response)).containsExactly("red light", "lamp");
    assertThat(response.getRewrites(0).getOrigin()).isEqualTo(RewriteOrigin.REWRITE_ORIGIN_TABLE);
    assertThat(response.getRewrites(0).getScore()).isEqualTo(0.9);
    assertThat(response.getModelLate()).isFalse();
    assertThat(runner.calls("shop-beque-encoder")).isEqualTo(before);
  }

  @Test
  void rewrite_miss_asksTheModelThenTheCache() throws IOException {
    RewriteServiceBlockingStub stub = serve();

    RewriteResponse first = rewrite(stub, "couch");
    int calls = runner.calls("shop-beque-encoder");
    RewriteResponse second = rewrite(stub, "COUCH");

    assertThat(texts(first)).containsExactly("sofa", "sofa red");
    assertThat(first.getRewrites(0).getOrigin()).isEqualTo(RewriteOrigin.REWRITE_ORIGIN_MODEL);
    assertThat(first.getRewrites(0).getScore()).isCloseTo(-0.2, within(1e-6));
    assertThat(first.getRewrites(1).getScore()).isCloseTo(-1.2, within(1e-6));
    assertThat(texts(second)).isEqualTo(texts(first));
    assertThat(second.getRewrites(0).getOrigin()).isEqualTo(RewriteOrigin.REWRITE_ORIGIN_CACHE);
    assertThat(runner.calls("shop-beque-encoder")).isEqualTo(calls);
  }

  @Test
  void rewrite_modelSaysTheQuery_returnsNothing() throws IOException {
    RewriteResponse response = rewrite(serve(), "light red");

    assertThat(response.getRewritesList()).isEmpty();
    assertThat(response.getModelLate()).isFalse();
  }

  @Test
  void rewrite_maxRewrites_cutsTheList() throws IOException {
    RewriteServiceBlockingStub stub = serve();

    RewriteResponse response =
        stub.rewrite(request("shop-beque", "red lamp").toBuilder().setMaxRewrites(1).build());

    assertThat(texts(response)).containsExactly("red light");
  }

  @Test
  void rewrite_lateModel_isFlaggedAndFillsTheCache() throws IOException {
    RewriteServiceBlockingStub stub =
        serve(RewriteSettings.defaults().withModelBudget(Duration.ofMillis(2)));
    CompletableFuture<Void> held = runner.hold();

    RewriteResponse late = rewrite(stub, "couch");
    assertThat(late.getModelLate()).isTrue();
    assertThat(late.getRewritesList()).isEmpty();

    held.complete(null);
    await()
        .atMost(30, TimeUnit.SECONDS)
        .untilAsserted(
            () -> {
              // A run that a slow machine cut off is started again by the next request.
              RewriteResponse response = rewrite(stub, "couch");
              assertThat(texts(response)).containsExactly("sofa", "sofa red");
            });
  }

  @Test
  void rewrite_deadlineShorterThanTheModel_answersBeforeIt() throws IOException {
    RewriteServiceBlockingStub stub = serve(withReserve(Duration.ofSeconds(29)));
    CompletableFuture<Void> held = runner.hold();

    RewriteResponse response = rewrite(stub, "couch");

    assertThat(response.getModelLate()).isTrue();
    assertThat(held).isNotDone();
  }

  private static RewriteSettings withReserve(Duration reserve) {
    RewriteSettings d = RewriteSettings.defaults();
    return new RewriteSettings(
        d.tables(),
        PATIENT,
        reserve,
        d.runLimit(),
        d.modelRuns(),
        d.cachedQueries(),
        d.defaultDeadline(),
        d.warmUpLimit());
  }

  @Test
  void rewrite_everyRunTaken_isLateAndDoesNotAsk() throws Exception {
    RewriteSettings d = RewriteSettings.defaults();
    RewriteServiceBlockingStub stub =
        serve(
            new RewriteSettings(
                d.tables(),
                PATIENT,
                d.answerReserve(),
                PATIENT,
                1,
                d.cachedQueries(),
                d.defaultDeadline(),
                d.warmUpLimit()));
    CompletableFuture<Void> held = runner.hold();
    int before = runner.calls("shop-beque-encoder");
    try (ExecutorService pool = Executors.newSingleThreadExecutor()) {
      Future<RewriteResponse> first = pool.submit(() -> rewrite(stub, "couch"));
      await().until(() -> runner.calls("shop-beque-encoder") == before + 1);

      assertThat(rewrite(stub, "couch red").getModelLate()).isTrue();
      assertThat(runner.calls("shop-beque-encoder")).isEqualTo(before + 1);

      held.complete(null);
      assertThat(texts(first.get())).containsExactly("sofa", "sofa red");
    }
  }

  @Test
  void rewrite_manyMissesOfOneQuery_makeOneModelCall() throws Exception {
    RewriteServiceBlockingStub stub = serve();
    CompletableFuture<Void> held = runner.hold();
    int before = runner.calls("shop-beque-encoder");
    int callers = 8;
    try (ExecutorService pool = Executors.newFixedThreadPool(callers)) {
      List<Future<RewriteResponse>> answers = new ArrayList<>();
      for (int i = 0; i < callers; i++) {
        answers.add(pool.submit(() -> rewrite(stub, "couch")));
      }
      await().until(() -> runner.calls("shop-beque-encoder") == before + 1);
      held.complete(null);
      for (Future<RewriteResponse> answer : answers) {
        assertThat(texts(answer.get())).containsExactly("sofa", "sofa red");
      }
    }
    assertThat(runner.calls("shop-beque-encoder")).isEqualTo(before + 1);
  }

  @ParameterizedTest
  @EnumSource(Reason.class)
  void rewrite_modelRefuses_isLateOrUnavailableAndTriedAgain(Reason reason) throws IOException {
    RewriteServiceBlockingStub stub = serve();
    runner.fail(reason);
    int before = runner.calls("shop-beque-encoder");

    for (int i = 1; i <= 2; i++) {
      switch (reason) {
        case QUEUE_FULL, EXPIRED -> assertThat(rewrite(stub, "couch").getModelLate()).isTrue();
        case INVALID_INPUT ->
            assertStatus(() -> rewrite(stub, "couch"), Status.Code.FAILED_PRECONDITION, "the fake");
        case UNKNOWN_MODEL, NOT_READY, FAILED ->
            assertStatus(() -> rewrite(stub, "couch"), Status.Code.UNAVAILABLE, "the fake");
      }
      assertThat(runner.calls("shop-beque-encoder")).isEqualTo(before + i);
    }
    assertThat(texts(rewrite(stub, "red lamp"))).containsExactly("red light", "lamp");
  }

  @Test
  void rewrite_bundleWithoutModel_answersFromItsTableAlone() throws IOException {
    RewriteServiceBlockingStub stub = serve();

    assertThat(texts(stub.rewrite(request("tables", "Lamp")))).containsExactly("light");
    assertThat(stub.rewrite(request("tables", "couch")).getRewritesList()).isEmpty();
    assertThat(stub.rewrite(request("tables", "couch")).getModelLate()).isFalse();
  }

  @Test
  void rewrite_everyPath_isCounted() throws IOException {
    RewriteServiceBlockingStub stub = serve();
    rewrite(stub, "couch");
    rewrite(stub, "couch");
    rewrite(stub, "couch");
    rewrite(stub, "red lamp");
    rewrite(stub, "red lamp");
    stub.rewrite(request("tables", "couch"));

    assertThat(metrics.counts("espalier.rewrite.queries"))
        .containsEntry("[shop-beque@1, model]", 1L)
        .containsEntry("[shop-beque@1, cache]", 2L)
        .containsEntry("[shop-beque@1, table]", 2L)
        .containsEntry("[tables@1, none]", 1L)
        .doesNotContainKey("[shop-beque@1, late]");
  }

  @Test
  void rewrite_personas_speakOnceEachAndNeverTheQuery() throws IOException {
    RewriteResponse response = serve().rewrite(request("personas", "lamp"));

    assertThat(texts(response)).containsExactly("warm lamp", "light");
    assertThat(response.getRewritesList())
        .extracting(RewrittenQuery::getPersona)
        .containsExactly("middle-aged-woman", "student");
    assertThat(response.getRewrites(0).getScore()).isEqualTo(0.7);
  }

  @Test
  void rewrite_otherTables_replaceTheBundles() throws IOException {
    Path tables = root.resolve("tables-of-data");
    Files.createDirectories(tables.resolve("shop-beque/1"));
    Files.writeString(tables.resolve("shop-beque/1/table.tsv"), "sofa\tcouch\t1\t1\t1\n");

    RewriteServiceBlockingStub stub =
        serve(RewriteSettings.defaults().withModelBudget(PATIENT).withTables(tables));

    assertThat(texts(rewrite(stub, "sofa"))).containsExactly("couch");
    assertThat(rewrite(stub, "red lamp").getRewritesList()).isEmpty();
    assertThat(texts(stub.rewrite(request("tables", "lamp")))).containsExactly("light");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "shop-beque|1|''|3|INVALID_ARGUMENT|query: empty (expected: words)",
        "shop-beque|1|' \t'|3|INVALID_ARGUMENT|query: empty (expected: words)",
        "shop-beque|1|LONG|3|INVALID_ARGUMENT|query: 513 characters (expected: 1..512)",
        "shop-beque|1|lamp|0|INVALID_ARGUMENT|max_rewrites: 0 (expected: 1..16)",
        "shop-beque|1|lamp|1000000|INVALID_ARGUMENT|max_rewrites: 1000000 (expected: 1..16)",
        "shop-beque|2|lamp|3|NOT_FOUND|bundle: shop-beque@2 (expected: one of [personas@1, shop",
        "nobody|1|lamp|3|NOT_FOUND|bundle: nobody@1",
        "''|1|lamp|3|INVALID_ARGUMENT|bundle name:",
        "shop-beque|0|lamp|3|INVALID_ARGUMENT|bundle version: 0 (expected: >= 1)",
      })
  void rewrite_badInput_isRefused(
      String bundle, int version, String query, int max, Status.Code code, String message)
      throws IOException {
    RewriteServiceBlockingStub stub = serve();
    RewriteRequest request =
        RewriteRequest.newBuilder()
            .setBundle(bundle)
            .setBundleVersion(version)
            .setQuery(query.equals("LONG") ? "😀".repeat(513) : query)
            .setMaxRewrites(max)
            .build();

    assertStatus(() -> stub.rewrite(request), code, message);
  }

  @Test
  void rewrite_longestQuery_isAnswered() throws IOException {
    assertThat(rewrite(serve(), "😀".repeat(512)).getNormalisedQuery()).hasSize(1024);
  }

  /** Nothing that a caller can send is a defect: every answer is one that a rule knows. */
  @Test
  void rewrite_spoiltRequests_neverUseTheFallback() throws IOException {
    serve();
    List<RewriteRequest> sound =
        List.of(
            request("shop-beque", "red lamp"),
            request("shop-beque", "couch"),
            request("personas", "lamp"));
    ServedStage stage = Objects.requireNonNull(served);
    assertThat(
            stage.callSpoilt(
                RewriteServiceGrpc.getRewriteMethod(),
                i -> sound.get(i % sound.size()),
                SPOILT,
                SPOIL_SEED))
        .containsOnlyKeys(Status.Code.OK, Status.Code.INVALID_ARGUMENT, Status.Code.NOT_FOUND);
    assertThat(stage.server().unmappedExceptions()).isZero();
  }

  @Test
  void start_brokenTable_namesTheLine() throws IOException {
    bundles.bundle(
        "tables",
        "BEQUE",
        Map.of(),
        Map.of("table", "lamp\tlight\t1\t0\t0\nlamp\tlight\thigh\t0\t0\n"),
        "note: none");

    assertThatThrownBy(this::serve)
        .isInstanceOf(BundleException.class)
        .hasMessageContaining("table:2: relevance: high (expected: a number)");
  }

  @Test
  void start_unknownPersona_namesIt() throws IOException {
    bundles.bundle(
        "personas",
        "Agent4Ranking",
        Map.of(),
        Map.of("table", "lamp\tking\tlight\t1\t0\n"),
        "note: none");

    assertThatThrownBy(this::serve)
        .isInstanceOf(BundleException.class)
        .hasMessageContaining("table:1: persona: king (expected: one of");
  }

  @Test
  void start_otherSystem_isRefused() throws IOException {
    bundles.bundle("tables", "TIGER", Map.of(), Map.of(), "note: none");

    assertThatThrownBy(this::serve)
        .isInstanceOf(BundleException.class)
        .hasMessageContaining("system: TIGER (expected: BEQUE or Agent4Ranking)");
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
