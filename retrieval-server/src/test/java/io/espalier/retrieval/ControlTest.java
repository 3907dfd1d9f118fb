package io.espalier.retrieval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.awaitility.Awaitility.await;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleLoader;
import io.espalier.bundles.BundleResources;
import io.espalier.bundles.BundleSwitch;
import io.espalier.catalog.CatalogChange;
import io.espalier.catalog.CatalogState;
import io.espalier.catalog.LoggedChange;
import io.espalier.inference.Tensor;
import io.espalier.retrieval.v1.Candidate;
import io.espalier.retrieval.v1.Decoding;
import io.espalier.retrieval.v1.ExplainRequest;
import io.espalier.retrieval.v1.ExplainResponse;
import io.espalier.retrieval.v1.Fate;
import io.espalier.retrieval.v1.LoadWidth;
import io.espalier.retrieval.v1.NarrowedBeams;
import io.espalier.retrieval.v1.PrefixQuota;
import io.espalier.retrieval.v1.RetrievalServiceGrpc;
import io.espalier.retrieval.v1.RetrievalServiceGrpc.RetrievalServiceBlockingStub;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.retrieval.v1.RetrieveResponse;
import io.espalier.retrieval.v1.Sampling;
import io.espalier.stores.catalog.CatalogItem;
import io.espalier.testing.FunctionRunner;
import io.espalier.testing.ServedStage;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.opentelemetry.api.OpenTelemetry;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What a caller may want of the beams, through the service. Five items that the bundle was trained
 * on, and two that came after, in the order of their scores: a −2, b −3, d −3, c −4, e −4, n −5, m
 * −6.
 */
class ControlTest {
  private static final BundleId BUNDLE = BundleId.parse("tiger@1");
  private static final List<String> TRAINED =
      List.of("a\t0 0", "b\t0 1", "c\t0 2", "d\t1 0", "e\t1 1");
  private static final Duration PATIENCE = Duration.ofMinutes(5);

  private final FunctionRunner runner = new FunctionRunner();
  private final List<AutoCloseable> open = new ArrayList<>();
  private RetrievalServiceGrpc.RetrievalServiceFutureStub future;
  private RetrievalServiceBlockingStub stub;

  @BeforeEach
  void start(@TempDir Path dir) throws IOException {
    models();
    TestRepository repository = new TestRepository(dir);
    List<String> ids = TRAINED.stream().map(line -> line.substring(0, 1)).toList();
    repository.add(
        "tiger",
        "TIGER",
        "generate",
        "{history: 2, history_sizes: [2], levels: 2, codes: 4, cache_width: 1, beam: 4}",
        Map.of("prefill", "prefill", "step1", "step1"),
        Map.of("items", TestRepository.lines(ids), "semantic_ids", TestRepository.lines(TRAINED)));
    Catalogue catalogue =
        new Catalogue(CatalogState.of(ids.stream().map(ControlTest::item).toList()), null, c -> {});
    BundleLoader<Source> loader =
        new BundleLoader<>() {
          @Override
          public Source load(Bundle bundle) {
            return new Source(
                bundle,
                TigerRetriever.open(
                    bundle, catalogue, new ModelCalls(runner), new SearchLoad(1), null),
                Set.of(),
                List.of());
          }

          @Override
          public void warm(Source loaded) {}
        };
    RetrievalService service =
        new RetrievalService(
            BundleSwitch.serving(
                repository.open(), loader, BundleResources.none(), List.of(BUNDLE)),
            catalogue,
            new LegalityCheck(OpenTelemetry.noop().getMeter("test")),
            OpenTelemetry.noop().getMeter("test"));
    catalogue.changed(
        List.of(
            new LoggedChange(6, new CatalogChange.Upsert(item("n"), Map.of(BUNDLE, List.of(0, 3)))),
            new LoggedChange(
                7, new CatalogChange.Upsert(item("m"), Map.of(BUNDLE, List.of(1, 3))))));
    ServedStage stage = ServedStage.of("retrieval", service);
    open.add(
        () -> {
          assertThat(stage.server().unmappedExceptions()).isZero();
          stage.close();
        });
    stub = RetrievalServiceGrpc.newBlockingStub(stage.channel());
    future = RetrievalServiceGrpc.newFutureStub(stage.channel());
  }

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable closeable : open.reversed()) {
      closeable.close();
    }
  }

  @Test
  void retrieve_emptyDecoding_isThePlainSearch() {
    RetrieveRequest plain = request(Decoding.newBuilder()).clearDecoding().build();

    assertThat(stub.retrieve(request(Decoding.newBuilder()).build()))
        .isEqualTo(stub.retrieve(plain));
    assertThat(lines(stub.retrieve(plain))).containsExactly("a -2.0", "b -3.0", "d -3.0", "c -4.0");
  }

  @Test
  void retrieve_quota_takesNoMoreUnderAPrefix() {
    Decoding.Builder one = Decoding.newBuilder().addQuotas(quota(1, 1));

    RetrieveResponse response = stub.retrieve(request(one).build());

    assertThat(lines(response)).containsExactly("a -2.0", "d -3.0");
    assertThat(response.getShortList()).isTrue();
    ExplainResponse why = explain(request(one), "b");
    assertThat(why.getFate()).isEqualTo(Fate.FATE_PRUNED);
    assertThat(why.getLevel()).isEqualTo(1);
    assertThat(why.getRank()).isEqualTo(1);
    assertThat(why.getDetail())
        .isEqualTo("prefix [0, 1] ranked 1 at level 1; the quota of 1 under [0] was full");
    assertThat(explain(request(one), "d").getDetail()).isEqualTo("rank 1 of 4");
  }

  @Test
  void retrieve_sampling_isTheSeedsAndExplained() {
    Set<List<String>> orders = new HashSet<>();
    Map<String, Double> scores = new LinkedHashMap<>();
    // Over all seven legal items, of which four are returned.
    double logMass =
        Math.log(Math.exp(-2) + 2 * Math.exp(-3) + 2 * Math.exp(-4) + Math.exp(-5) + Math.exp(-6));
    for (int seed = 0; seed < 64; seed++) {
      RetrieveRequest.Builder request =
          request(Decoding.newBuilder().setSampling(sampling(seed))).setBeamWidth(8);
      RetrieveResponse response = stub.retrieve(request.build());
      assertThat(stub.retrieve(request.build())).isEqualTo(response);
      assertThat(response.getLogMass()).isCloseTo(logMass, within(1e-6));
      assertThat(stub.retrieve(request.clone().setBeamWidth(2).build()).hasLogMass()).isFalse();
      List<String> ids = response.getCandidatesList().stream().map(Candidate::getItemId).toList();
      assertThat(ids).doesNotHaveDuplicates().hasSize(4);
      orders.add(ids);
      response.getCandidatesList().forEach(c -> scores.put(c.getItemId(), c.getScore()));
      for (String id : List.of("a", "b", "c", "d", "e", "m", "n")) {
        ExplainResponse why = explain(request, id);
        boolean there = ids.contains(id);
        assertThat(why.getFate()).isEqualTo(there ? Fate.FATE_KEPT : Fate.FATE_OUTRANKED);
        if (there) {
          assertThat(why.getRank()).isEqualTo(ids.indexOf(id));
        } else {
          assertThat(why.getRank()).isGreaterThanOrEqualTo(4);
          assertThat(why.getDetail()).endsWith("4 were taken, drawn with seed " + seed);
        }
      }
    }
    assertThat(orders).hasSizeGreaterThan(8);
    assertThat(scores)
        .isEqualTo(Map.of("a", -2., "b", -3., "c", -4., "d", -3., "e", -4., "n", -5., "m", -6.));
  }

  @Test
  void retrieve_unseenShare_addsWhatTheBundleNeverSaw() {
    RetrieveRequest.Builder request = request(Decoding.newBuilder().setUnseenShare(0.25));

    RetrieveResponse response = stub.retrieve(request.build());

    assertThat(lines(response)).containsExactly("a -2.0", "b -3.0", "d -3.0", "n -5.0");
    assertThat(response.getCandidatesList())
        .extracting(Candidate::getUnseen)
        .containsExactly(false, false, false, true);
    assertThat(explain(request, "n").getFate()).isEqualTo(Fate.FATE_KEPT);
    assertThat(explain(request, "n").getDetail()).isEqualTo("rank 3 of 4, added as unseen");
    assertThat(explain(request, "c").getFate()).isEqualTo(Fate.FATE_OUTRANKED);
    assertThat(explain(request, "c").getDetail()).isEqualTo("rank 3, made room for unseen items");
    assertThat(explain(request, "m").getFate()).isEqualTo(Fate.FATE_PRUNED);
    assertThat(explain(request, "m").getRank()).isEqualTo(6);
    assertThat(lines(stub.retrieve(request.addExclude("n").build())))
        .containsExactly("a -2.0", "b -3.0", "d -3.0", "m -6.0");
  }

  @Test
  void retrieve_anotherSearchInProgress_narrowsTheBeamsAndSaysSo()
      throws InterruptedException, ExecutionException {
    RetrieveRequest bounded =
        request(Decoding.newBuilder().setLoadWidth(LoadWidth.newBuilder().setLeast(1))).build();
    assertThat(stub.retrieve(bounded).hasNarrowed()).isFalse();
    int before = runner.calls().size();
    CompletableFuture<Void> first = runner.hold();
    var held = future.retrieve(bounded);
    await().atMost(PATIENCE).until(() -> runner.calls().size() > before);
    runner.hold().complete(null);

    RetrieveResponse response = stub.retrieve(bounded);

    assertThat(response.getNarrowed())
        .isEqualTo(NarrowedBeams.newBuilder().setAsked(4).setSearched(2).build());
    assertThat(lines(response)).containsExactly("a -2.0", "b -3.0");
    assertThat(explain(bounded.toBuilder(), "d").getDetail())
        .isEqualTo("prefix [1, 0] ranked 2 at level 1 of beams 2");
    RetrieveRequest unbounded = bounded.toBuilder().clearDecoding().build();
    assertThat(stub.retrieve(unbounded).getCandidatesCount()).isEqualTo(4);
    first.complete(null);
    assertThat(held.get().hasNarrowed()).isFalse();
  }

  @Test
  void retrieve_wrongDecoding_saysWhatIsWrong() {
    refused(
        Decoding.newBuilder().setSampling(Sampling.getDefaultInstance()),
        "decoding: sampling.temperature: 0.0 (expected: 0.001..100.0)");
    refused(
        Decoding.newBuilder().setSampling(Sampling.newBuilder().setTemperature(Double.NaN)),
        "decoding: sampling.temperature: NaN");
    refused(
        Decoding.newBuilder().addQuotas(quota(0, 1)),
        "decoding: quotas: length 0 (expected: >= 1)");
    refused(
        Decoding.newBuilder().addQuotas(quota(3, 1)),
        "decoding: quotas: length 3 (expected: 1..2, the bundle's levels)");
    refused(
        Decoding.newBuilder().addQuotas(quota(1, 0)),
        "decoding: quotas: most 0 (expected: 1..1000)");
    refused(
        Decoding.newBuilder().addQuotas(quota(1, 1)).addQuotas(quota(1, 2)),
        "decoding: quotas: length 1 twice (expected: one quota a length)");
    refused(
        Decoding.newBuilder().setUnseenShare(1.01),
        "decoding: unseen_share: 1.01 (expected: 0..1)");
    refused(
        Decoding.newBuilder().setLoadWidth(LoadWidth.getDefaultInstance()),
        "decoding: load_width.least: 0 (expected: 1..512)");
    refused(
        Decoding.newBuilder().setLoadWidth(LoadWidth.newBuilder().setLeast(1).setSearches(-1)),
        "decoding: load_width.searches: -1 (expected: 0..10000)");
  }

  private void refused(Decoding.Builder decoding, String message) {
    assertThatThrownBy(() -> stub.retrieve(request(decoding).build()))
        .isInstanceOfSatisfying(
            StatusRuntimeException.class,
            e -> assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT))
        .hasMessageContaining(message);
  }

  private ExplainResponse explain(RetrieveRequest.Builder request, String id) {
    return stub.explain(ExplainRequest.newBuilder().setRequest(request).setItemId(id).build());
  }

  private static RetrieveRequest.Builder request(Decoding.Builder decoding) {
    return RetrieveRequest.newBuilder()
        .setBundle("tiger")
        .setBundleVersion(1)
        .setK(4)
        .addHistory("a")
        .setDecoding(decoding);
  }

  private static PrefixQuota quota(int length, int most) {
    return PrefixQuota.newBuilder().setLength(length).setMost(most).build();
  }

  private static Sampling sampling(long seed) {
    return Sampling.newBuilder().setTemperature(1).setSeed(seed).build();
  }

  private static List<String> lines(RetrieveResponse response) {
    return response.getCandidatesList().stream()
        .map(candidate -> candidate.getItemId() + " " + candidate.getScore())
        .toList();
  }

  private static CatalogItem item(String id) {
    return new CatalogItem(
        id, "", "", List.of(), "", OptionalDouble.empty(), Map.of(), "", OptionalLong.empty());
  }

  private void models() {
    runner.model(
        "prefill",
        inputs ->
            Map.of(
                "log_probs", Tensor.ofFloats(new float[] {-1, -2, -9, -9}, 1, 4),
                "state_kept", Tensor.ofLongs(new long[1], 1, 1)));
    runner.model(
        "step1",
        inputs -> {
          int beams =
              inputs.getOrDefault("code", Tensor.ofLongs(new long[0], 0)).longs().remaining();
          float[] rows = new float[beams * 4];
          for (int i = 0; i < rows.length; i++) {
            rows[i] = -1 - i % 4;
          }
          return Map.of("log_probs", Tensor.ofFloats(rows, 1, beams, 4));
        });
  }
}
