package io.espalier.retrieval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.catalog.v1.Equals;
import io.espalier.catalog.v1.Filter;
import io.espalier.catalog.v1.In;
import io.espalier.catalog.v1.ItemIds;
import io.espalier.catalog.v1.Operands;
import io.espalier.catalog.v1.Range;
import io.espalier.catalog.v1.ScoreKind;
import io.espalier.catalog.v1.Value;
import io.espalier.inference.ModelException;
import io.espalier.inference.Tensor;
import io.espalier.retrieval.v1.Candidate;
import io.espalier.retrieval.v1.Decoding;
import io.espalier.retrieval.v1.ExplainRequest;
import io.espalier.retrieval.v1.ExplainResponse;
import io.espalier.retrieval.v1.Fate;
import io.espalier.retrieval.v1.RetrievalServiceGrpc;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.retrieval.v1.RetrieveResponse;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.testing.FunctionRunner;
import io.espalier.testing.ServedStage;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RetrievalServiceTest {
  // a and b share a semantic id; e is in the catalogue alone, f in the bundles alone.
  private static final List<String> ITEMS =
      List.of(
          """
          {"id": "a", "title": "Red nail polish", "brand": "Gloss", "category": ["Beauty", "Nails"], "price": 5, "stock": 3}\
          """,
          """
          {"id": "b", "title": "Blue nail polish", "brand": "Gloss", "category": ["Beauty", "Nails"], "price": 6, "stock": 0}\
          """,
          """
          {"id": "c", "title": "Shampoo", "brand": "Wash", "category": ["Beauty", "Hair"], "price": 9, "attributes": {"vegan": true}}\
          """,
          """
          {"id": "d", "title": "Hair dryer", "category": ["Beauty", "Hair"], "price": 40}\
          """,
          """
          {"id": "e", "title": "Comb", "category": ["Beauty", "Hair"], "price": 2}\
          """);
  private static final List<String> BUNDLE_ITEMS = List.of("a", "b", "c", "d", "f");

  // Long enough for any machine: the condition ends the wait.
  private static final Duration PATIENCE = Duration.ofMinutes(5);

  private final FunctionRunner runner = new FunctionRunner();
  private final List<AutoCloseable> open = new ArrayList<>();

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable closeable : open.reversed()) {
      closeable.close();
    }
  }

  @Test
  void retrieve_tiger_generatesLegalItemsBestFirst(@TempDir Path dir) throws IOException {
    RetrieveResponse response = start(dir).retrieve(request("tiger").build());

    // f has the best id, but the catalogue does not know it; a and b share theirs.
    assertThat(lines(response))
        .containsExactly("d -3.0 [1, 1]", "a -4.0 [0, 0]", "b -4.0 [0, 0]", "c -5.0 [0, 1]");
    assertThat(response.getScoreKind()).isEqualTo(ScoreKind.SCORE_KIND_LOG_PROBABILITY);
    assertThat(response.getShortList()).isTrue();
    assertThat(response.getCatalogOffset()).isEqualTo(5);
    assertThat(response.getHistoryUsed()).isEqualTo(2);
  }

  @Test
  void retrieve_tigerHistory_isTheMostRecentKnownEventsLeftPaddedToASize(@TempDir Path dir)
      throws IOException {
    var stub = start(dir);
    stub.retrieve(
        request("tiger").clearHistory().addAllHistory(List.of("a", "x", "c", "d", "b")).build());
    stub.retrieve(request("tiger").clearHistory().addHistory("c").build());

    assertThat(longs(input(0, "history"))).containsExactly(0, 1, 1, 1, 0, 0);
    assertThat(runner.calls().get(2).model()).isEqualTo("tiger-prefill");
    assertThat(longs(input(2, "history"))).containsExactly(-1, -1, 0, 1);
  }

  @Test
  void retrieve_k_cutsTheListAndIsNotShort(@TempDir Path dir) throws IOException {
    RetrieveResponse response = start(dir).retrieve(request("tiger").setK(2).build());

    assertThat(ids(response)).containsExactly("d", "a");
    assertThat(response.getShortList()).isFalse();
  }

  @Test
  void retrieve_filters_leaveOnlyWhatTheyAllow(@TempDir Path dir) throws IOException {
    var stub = start(dir);
    for (String source : List.of("tiger", "e4srec", "heterrec", "popularity", "neighbours")) {
      assertThat(ids(stub.retrieve(request(source).setFilter(equal("category", "Hair")).build())))
          .as(source)
          .isSubsetOf("c", "d");
      assertThat(ids(stub.retrieve(request(source).setFilter(equal("category", "Beauty")).build())))
          .as(source)
          .isEqualTo(ids(stub.retrieve(request(source).build())));
      assertThat(ids(stub.retrieve(request(source).addExclude("d").addExclude("nobody").build())))
          .as(source)
          .doesNotContain("d");
      RetrieveResponse none =
          stub.retrieve(request(source).setFilter(equal("brand", "None such")).build());
      assertThat(none.getCandidatesList()).as(source).isEmpty();
      assertThat(none.getShortList()).as(source).isTrue();
    }
    assertThat(
            ids(
                stub.retrieve(
                    request("tiger")
                        .setFilter(
                            Filter.newBuilder()
                                .setAllOf(
                                    Operands.newBuilder()
                                        .addFilters(range("price", 5.5, 40))
                                        .addFilters(
                                            Filter.newBuilder().setNot(equal("brand", "Wash")))))
                        .build())))
        .containsExactly("d", "b");
    assertThat(
            ids(
                stub.retrieve(
                    request("text")
                        .setFilter(
                            Filter.newBuilder()
                                .setEquals(
                                    Equals.newBuilder()
                                        .setAttribute("vegan")
                                        .setValue(Value.newBuilder().setFlag(true))))
                        .setQuery("hair shampoo")
                        .build())))
        .containsExactly("c");
  }

  @Test
  void retrieve_e4srec_ranksByInnerProductAndBias(@TempDir Path dir) throws IOException {
    RetrieveResponse response = start(dir).retrieve(request("e4srec").build());

    // The user is (1, 2); b has a bias of 3.
    assertThat(lines(response)).containsExactly("b 5.0 []", "d 3.0 []", "a 1.0 []", "c 0.0 []");
    assertThat(response.getScoreKind()).isEqualTo(ScoreKind.SCORE_KIND_SIMILARITY);
    assertThat(longs(input(0, "history"))).containsExactly(-1, 0, 2);
  }

  @Test
  void retrieve_heterrec_takesEachItemsBestHead(@TempDir Path dir) throws IOException {
    RetrieveResponse response = start(dir).retrieve(request("heterrec").build());

    // The heads are (1, 0) and (0, 1).
    assertThat(lines(response)).containsExactly("a 1.0 []", "b 1.0 []", "d 1.0 []", "c 0.0 []");
    assertThat(longs(input(0, "items"))).containsExactly(-1, 0, 2);
    assertThat(longs(input(0, "brands"))).containsExactly(-1, 10, -1);
    assertThat(longs(input(0, "categories"))).containsExactly(-1, 20, 22);
    FloatBuffer text = input(0, "text").floats();
    assertThat(text.get(0)).isZero();
    assertThat(text.get(1)).isEqualTo(0.5f);
    assertThat(text.get(2)).isEqualTo(2.5f);
  }

  @Test
  void retrieve_text_matchesQueries(@TempDir Path dir) throws IOException {
    var stub = start(dir);

    RetrieveResponse response = stub.retrieve(request("text").setQuery("nail polishes").build());
    assertThat(ids(response)).containsExactly("a", "b");
    assertThat(response.getScoreKind()).isEqualTo(ScoreKind.SCORE_KIND_BM25);
    // The text index is over the catalogue itself.
    assertThat(ids(stub.retrieve(request("text").setQuery("comb").build()))).containsExactly("e");
    assertThat(ids(stub.retrieve(request("text").setQuery("?").build()))).isEmpty();
  }

  @Test
  void retrieve_popularityWithoutHistory_spreadsOverCategories(@TempDir Path dir)
      throws IOException {
    var stub = start(dir);

    assertThat(ids(stub.retrieve(request("popularity").clearHistory().build())))
        .containsExactly("a", "c", "b", "d");
    assertThat(lines(stub.retrieve(request("popularity").build())))
        .containsExactly("a 9.0 []", "b 8.0 []", "c 5.0 []", "d 1.0 []");
  }

  @Test
  void retrieve_neighbours_sumsOverTheHistory(@TempDir Path dir) throws IOException {
    // c's neighbours whole, a's by half.
    assertThat(lines(start(dir).retrieve(request("neighbours").build())))
        .containsExactly("d 0.75 []", "b 0.5 []");
  }

  @Test
  void retrieve_historyOfUnknownItems_isShortNotFailed(@TempDir Path dir) throws IOException {
    var stub = start(dir);
    for (String source : List.of("tiger", "e4srec", "heterrec", "neighbours")) {
      RetrieveResponse response =
          stub.retrieve(request(source).clearHistory().addHistory("nobody").build());
      assertThat(response.getCandidatesList()).as(source).isEmpty();
      assertThat(response.getShortList()).isTrue();
      assertThat(response.getHistoryUsed()).isZero();
    }
    assertThat(runner.calls()).isEmpty();
  }

  @Test
  void retrieve_badRequests_sayWhatIsWrong(@TempDir Path dir) throws IOException {
    var stub = start(dir);
    refused(
        stub, request("tiger").setK(0), Status.Code.INVALID_ARGUMENT, "k: 0 (expected: 1..1000)");
    refused(stub, request("tiger").setK(1_000_000), Status.Code.INVALID_ARGUMENT, "k: 1000000");
    refused(stub, request("tiger").setK(-1), Status.Code.INVALID_ARGUMENT, "k: -1");
    refused(
        stub, request("tiger").setBeamWidth(513), Status.Code.INVALID_ARGUMENT, "beam_width: 513");
    refused(
        stub, request("tiger").setBeamWidth(-1), Status.Code.INVALID_ARGUMENT, "beam_width: -1");
    refused(stub, request("tiger").clearHistory(), Status.Code.INVALID_ARGUMENT, "history: empty");
    refused(stub, request("e4srec").clearHistory(), Status.Code.INVALID_ARGUMENT, "history: empty");
    refused(
        stub,
        request("e4srec").setDecoding(Decoding.getDefaultInstance()),
        Status.Code.INVALID_ARGUMENT,
        "decoding: given (expected: none for a source without beams");
    refused(stub, request("text"), Status.Code.INVALID_ARGUMENT, "query: empty");
    refused(stub, request("text").setQuery(" \t"), Status.Code.INVALID_ARGUMENT, "query: empty");
    refused(
        stub,
        request("text").setQuery("x".repeat(9000)),
        Status.Code.INVALID_ARGUMENT,
        "query: 9000");
    refused(stub, request("nobody"), Status.Code.NOT_FOUND, "bundle: nobody@1");
    refused(stub, request("tiger").setBundleVersion(2), Status.Code.NOT_FOUND, "bundle: tiger@2");
    refused(stub, request(""), Status.Code.INVALID_ARGUMENT, "bundle: empty");
    refused(
        stub,
        request("tiger").setBundleVersion(0),
        Status.Code.INVALID_ARGUMENT,
        "bundle_version: 0");
  }

  @Test
  void retrieve_badFilters_sayWhatIsWrong(@TempDir Path dir) throws IOException {
    var stub = start(dir);
    Filter deep = equal("brand", "Gloss");
    for (int i = 0; i < 16; i++) {
      deep = Filter.newBuilder().setNot(deep).build();
    }
    Operands.Builder wide = Operands.newBuilder();
    for (int i = 0; i < 256; i++) {
      wide.addFilters(equal("brand", "b" + i));
    }
    List<String> many = Collections.nCopies(100_001, "a");
    refused(
        stub,
        request("tiger").addAllExclude(many),
        Status.Code.INVALID_ARGUMENT,
        "exclude: 100001 ids (expected: at most 100000)");
    refused(
        stub,
        request("tiger").clearHistory().addAllHistory(many),
        Status.Code.INVALID_ARGUMENT,
        "history: 100001 ids (expected: at most 100000)");
    Map<Filter, String> wrong =
        Map.of(
            deep,
            "filter: depth: more than 16",
            Filter.newBuilder().setAnyOf(wide).build(),
            "filter: nodes: more than 256",
            Filter.getDefaultInstance(),
            "filter: empty node",
            Filter.newBuilder().setAllOf(Operands.getDefaultInstance()).build(),
            "filter: no operands",
            Filter.newBuilder().setIds(ItemIds.getDefaultInstance()).build(),
            "filter: ids: none",
            Filter.newBuilder().setIds(ItemIds.newBuilder().addAllIds(many)).build(),
            "filter: ids: 100001 (expected: at most 100000)",
            Filter.newBuilder().setIn(In.newBuilder().setAttribute("brand")).build(),
            "filter: in: no values",
            range("price", Double.NaN, 3),
            "filter: range bound: NaN",
            range("", 1, 3),
            "filter: attribute: empty",
            Filter.newBuilder().setEquals(Equals.newBuilder().setAttribute("brand")).build(),
            "filter: value: empty");
    wrong.forEach(
        (filter, message) ->
            refused(
                stub, request("tiger").setFilter(filter), Status.Code.INVALID_ARGUMENT, message));
  }

  @Test
  void retrieve_emptyCatalogue_isAFailedPrecondition(@TempDir Path dir) throws IOException {
    var stub = start(dir, List.of());
    for (String source : List.of("tiger", "e4srec", "text", "popularity")) {
      refused(
          stub,
          request(source).setQuery("nail"),
          Status.Code.FAILED_PRECONDITION,
          "catalogue: empty (expected: at least one item)");
    }
  }

  @Test
  void retrieve_modelRefusals_keepTheirKindAndHideTheirPlace(@TempDir Path dir) throws IOException {
    var stub = start(dir);
    Map<ModelException.Reason, Status.Code> codes =
        Map.of(
            ModelException.Reason.QUEUE_FULL, Status.Code.RESOURCE_EXHAUSTED,
            ModelException.Reason.EXPIRED, Status.Code.DEADLINE_EXCEEDED,
            ModelException.Reason.NOT_READY, Status.Code.UNAVAILABLE,
            ModelException.Reason.UNKNOWN_MODEL, Status.Code.UNAVAILABLE,
            ModelException.Reason.INVALID_INPUT, Status.Code.UNAVAILABLE,
            ModelException.Reason.FAILED, Status.Code.UNAVAILABLE);
    assertThat(codes).hasSize(ModelException.Reason.values().length);
    codes.forEach(
        (reason, code) -> {
          runner.failing("tiger-step1", reason);
          refused(stub, request("tiger"), code, "model tiger-step1");
          runner.failing("e4srec-user", reason);
          refused(stub, request("e4srec"), code, "model e4srec-user");
        });
  }

  @Test
  void retrieve_modelOutputOfAnotherShapeOrNaN_isUnavailable(@TempDir Path dir) throws IOException {
    var stub = start(dir);
    runner.model("e4srec-user", inputs -> Map.of("user", Tensor.ofFloats(new float[3], 1, 3)));
    refused(
        stub,
        request("e4srec"),
        Status.Code.UNAVAILABLE,
        "output user: FP32[1, 3] (expected: [1, 2])");
    runner.model("e4srec-user", inputs -> Map.of());
    refused(stub, request("e4srec"), Status.Code.UNAVAILABLE, "output user: null");
    float[] nan = new float[2];
    Arrays.fill(nan, Float.NaN);
    runner.model("tiger-prefill", inputs -> Map.of("log_probs", Tensor.ofFloats(nan, 1, 2)));
    refused(stub, request("tiger"), Status.Code.UNAVAILABLE, "NaN");
  }

  @Test
  void retrieve_cancelledWhileTheModelRuns_cancelsTheModelCall(@TempDir Path dir)
      throws IOException {
    var stub = start(dir);
    runner.silent("e4srec-user");

    var call =
        RetrievalServiceGrpc.newFutureStub(stub.getChannel())
            .withDeadlineAfter(1, TimeUnit.HOURS)
            .retrieve(request("e4srec").build());
    await().atMost(PATIENCE).until(() -> runner.started().size() == 1);
    long remaining = runner.calls().getFirst().deadlineNanos() - System.nanoTime();
    assertThat(remaining).isBetween(0L, TimeUnit.HOURS.toNanos(1));
    assertThat(runner.started().getFirst().isDone()).isFalse();
    call.cancel(true);

    await().atMost(PATIENCE).until(() -> runner.started().getFirst().isCancelled());
  }

  @Test
  void explain_everyFate_isTold(@TempDir Path dir) throws IOException {
    var stub = start(dir);
    RetrieveRequest.Builder two = request("tiger").setBeamWidth(2).setK(2);

    assertThat(explain(stub, two, "nobody").getFate()).isEqualTo(Fate.FATE_UNKNOWN_ITEM);
    assertThat(explain(stub, two, "f").getFate()).isEqualTo(Fate.FATE_UNKNOWN_ITEM);
    assertThat(explain(stub, two, "e").getFate()).isEqualTo(Fate.FATE_NOT_INDEXED);
    assertThat(explain(stub, two.clone().addExclude("d"), "d").getDetail()).contains("excluded");
    ExplainResponse filtered =
        explain(stub, two.clone().setFilter(equal("category", "Nails")), "d");
    assertThat(filtered.getFate()).isEqualTo(Fate.FATE_FILTERED);
    assertThat(filtered.getDetail()).contains("filter");
    ExplainResponse kept = explain(stub, two, "a");
    assertThat(kept.getFate()).isEqualTo(Fate.FATE_KEPT);
    assertThat(kept.getRank()).isEqualTo(1);
    ExplainResponse outranked = explain(stub, two, "b");
    assertThat(outranked.getFate()).isEqualTo(Fate.FATE_OUTRANKED);
    assertThat(outranked.getRank()).isEqualTo(2);
    ExplainResponse pruned = explain(stub, two, "c");
    assertThat(pruned.getFate()).isEqualTo(Fate.FATE_PRUNED);
    assertThat(pruned.getLevel()).isEqualTo(1);
    assertThat(pruned.getRank()).isEqualTo(2);
    assertThat(explain(stub, two.clone().clearHistory().addHistory("x"), "a").getFate())
        .isEqualTo(Fate.FATE_NOT_RUN);

    assertThat(explain(stub, request("e4srec").setK(1), "b").getFate()).isEqualTo(Fate.FATE_KEPT);
    assertThat(explain(stub, request("e4srec").setK(1), "c").getRank()).isEqualTo(3);
    assertThat(explain(stub, request("text").setQuery("comb"), "a").getDetail())
        .contains("does not match");
    assertThatThrownBy(() -> explain(stub, request("text").setQuery("comb"), ""))
        .hasMessageContaining("item_id: empty");
    assertThatThrownBy(() -> explain(stub, request("text"), "a")).hasMessageContaining("query");
  }

  @Test
  void models_bundles_areThoseOfTheirParts(@TempDir Path dir) throws IOException {
    TestRepository repository = repository(dir);
    assertThat(
            RetrievalComponent.models(
                repository.open(),
                List.of(BundleId.parse("tiger@1"), BundleId.parse("popularity@1"))))
        .containsExactly("tiger-prefill", "tiger-step1");
  }

  @Test
  void open_bundleThatIsNoSource_isNamed(@TempDir Path dir) throws IOException {
    TestRepository repository = repository(dir);
    repository.add("beque", "BEQUE", "rewrite", "{}", Map.of(), Map.of());
    DataFolder data = data(dir, ITEMS);

    assertThatThrownBy(
            () ->
                RetrievalComponent.open(
                    repository.open(), List.of(BundleId.parse("beque@1")), data, runner))
        .isInstanceOf(BundleException.class)
        .hasMessageContaining("bundle beque@1: system: BEQUE (expected: TIGER");
  }

  @Test
  void isReady_followsTheModels(@TempDir Path dir) throws IOException {
    TestRepository repository = repository(dir);
    try (RetrievalComponent component =
        RetrievalComponent.open(
            repository.open(), List.of(BundleId.parse("e4srec@1")), data(dir, ITEMS), runner)) {
      assertThat(component.isReady()).isFalse();
      models();
      assertThat(component.isReady()).isTrue();
    }
  }

  private static DataFolder data(Path dir, List<String> items) throws IOException {
    Path folder = Files.createDirectories(dir.resolve("data"));
    Files.write(folder.resolve("items.jsonl"), items);
    return DataFolder.open(folder);
  }

  private RetrievalServiceGrpc.RetrievalServiceBlockingStub start(Path dir) throws IOException {
    return start(dir, ITEMS);
  }

  private RetrievalServiceGrpc.RetrievalServiceBlockingStub start(Path dir, List<String> items)
      throws IOException {
    models();
    RetrievalComponent component =
        RetrievalComponent.open(
            repository(dir).open(),
            List.of(
                BundleId.parse("tiger@1"),
                BundleId.parse("e4srec@1"),
                BundleId.parse("heterrec@1"),
                BundleId.parse("text@1"),
                BundleId.parse("popularity@1"),
                BundleId.parse("neighbours@1")),
            data(dir, items),
            runner);
    open.add(component);
    ServedStage stage = ServedStage.of("retrieval", component.service());
    open.add(
        () -> {
          assertThat(stage.server().unmappedExceptions()).isZero();
          stage.close();
        });
    return RetrievalServiceGrpc.newBlockingStub(stage.channel());
  }

  private void models() {
    runner.model(
        "tiger-prefill",
        inputs ->
            Map.of(
                "log_probs", Tensor.ofFloats(new float[] {-2, -2}, 1, 2),
                "state_kept", inputs.getOrDefault("history", Tensor.ofLongs(new long[0], 0))));
    runner.model(
        "tiger-step1",
        inputs -> {
          assertThat(inputs).containsOnlyKeys("code", "state_kept");
          LongBuffer code = inputs.getOrDefault("code", Tensor.ofLongs(new long[0], 0)).longs();
          int beams = code.remaining();
          float[] rows = new float[beams * 2];
          for (int row = 0; row < beams; row++) {
            boolean zero = code.get(row) == 0;
            rows[row * 2] = zero ? -2 : 0;
            rows[row * 2 + 1] = zero ? -3 : -1;
          }
          return Map.of("log_probs", Tensor.ofFloats(rows, 1, beams, 2));
        });
    runner.model(
        "e4srec-user", inputs -> Map.of("user", Tensor.ofFloats(new float[] {1, 2}, 1, 2)));
    runner.model(
        "heterrec-user",
        inputs -> Map.of("users", Tensor.ofFloats(new float[] {1, 0, 0, 1}, 1, 2, 2)));
  }

  private static TestRepository repository(Path dir) throws IOException {
    TestRepository repository = new TestRepository(dir.resolve("repository"));
    byte[] items = TestRepository.lines(BUNDLE_ITEMS);
    byte[] vectors = TestRepository.npy(new float[][] {{1, 0}, {0, 1}, {0, 0}, {1, 1}, {9, 9}});
    repository.add(
        "tiger",
        "TIGER",
        "generate",
        "{history: 3, history_sizes: [2, 3], levels: 2, codes: 2, cache_width: 1, beam: 4}",
        Map.of("prefill", "tiger-prefill", "step1", "tiger-step1"),
        Map.of(
            "items",
            items,
            "semantic_ids",
            TestRepository.lines(List.of("a\t0 0", "b\t0 0", "c\t0 1", "d\t1 1", "f\t1 0"))));
    repository.add(
        "e4srec",
        "E4SRec",
        "encode",
        "{history: 3, width: 2}",
        Map.of("user", "e4srec-user"),
        Map.of(
            "items",
            items,
            "item_vectors",
            vectors,
            "item_bias",
            TestRepository.npy(new float[][] {{0}, {3}, {0}, {0}, {0}})));
    repository.add(
        "heterrec",
        "HeterRec",
        "encode",
        "{history: 3, heads: 2, width: 2, text_width: 1}",
        Map.of("user", "heterrec-user"),
        Map.of(
            "items",
            items,
            "item_vectors",
            vectors,
            "item_features",
            TestRepository.lines(List.of("a\t10\t20", "b\t10\t20", "c\t-1\t22")),
            "text_vectors",
            TestRepository.npy(new float[][] {{0.5f}, {1.5f}, {2.5f}, {3.5f}, {4.5f}})));
    repository.add(
        "text",
        "TextIndex",
        "text",
        "{fields: [{name: title, weight: 2, b: 0.5, k1: 1}, {name: attributes, weight: 1, b: 0, k1:"
            + " 1}], analyzer: english, tie_breaker: 0.3}",
        Map.of(),
        Map.of());
    repository.add(
        "popularity",
        "Popularity",
        "encode",
        "{}",
        Map.of(),
        Map.of(
            "popularity",
            TestRepository.lines(
                List.of("a\t9\tnails", "b\t8\tnails", "c\t5\thair", "d\t1\thair", "f\t99\tx"))));
    repository.add(
        "neighbours",
        "ItemToItem",
        "encode",
        "{decay: 0.5}",
        Map.of(),
        Map.of(
            "items",
            items,
            "neighbours",
            TestRepository.lines(List.of("0\t1:1 3:0.5", "2\t3:0.5 4:0.5"))));
    return repository;
  }

  private static RetrieveRequest.Builder request(String bundle) {
    return RetrieveRequest.newBuilder()
        .setBundle(bundle)
        .setBundleVersion(1)
        .setK(5)
        .addHistory("a")
        .addHistory("unknown")
        .addHistory("c");
  }

  private static Filter equal(String attribute, String value) {
    return Filter.newBuilder()
        .setEquals(
            Equals.newBuilder().setAttribute(attribute).setValue(Value.newBuilder().setText(value)))
        .build();
  }

  private static Filter range(String attribute, double min, double max) {
    return Filter.newBuilder()
        .setRange(Range.newBuilder().setAttribute(attribute).setMin(min).setMax(max))
        .build();
  }

  private static void refused(
      RetrievalServiceGrpc.RetrievalServiceBlockingStub stub,
      RetrieveRequest.Builder request,
      Status.Code code,
      String message) {
    assertThatThrownBy(() -> stub.retrieve(request.build()))
        .isInstanceOfSatisfying(
            StatusRuntimeException.class,
            e -> {
              assertThat(e.getStatus().getCode()).as("%s", e).isEqualTo(code);
              assertThat(e).hasMessageContaining(message).hasMessageNotContaining("secret");
            });
  }

  private static ExplainResponse explain(
      RetrievalServiceGrpc.RetrievalServiceBlockingStub stub,
      RetrieveRequest.Builder request,
      String item) {
    return stub.explain(ExplainRequest.newBuilder().setRequest(request).setItemId(item).build());
  }

  private Tensor input(int call, String name) {
    @Nullable Tensor tensor = runner.calls().get(call).inputs().get(name);
    if (tensor == null) {
      throw new AssertionError("no input " + name);
    }
    return tensor;
  }

  private static long[] longs(Tensor tensor) {
    long[] values = new long[tensor.longs().remaining()];
    tensor.longs().get(values);
    return values;
  }

  private static List<String> ids(RetrieveResponse response) {
    return response.getCandidatesList().stream().map(Candidate::getItemId).toList();
  }

  private static List<String> lines(RetrieveResponse response) {
    return response.getCandidatesList().stream()
        .map(c -> c.getItemId() + " " + c.getScore() + " " + c.getSemanticIdList())
        .toList();
  }
}
