package io.espalier.retrieval;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.bundles.BundleId;
import io.espalier.catalog.v1.Equals;
import io.espalier.catalog.v1.Filter;
import io.espalier.catalog.v1.In;
import io.espalier.catalog.v1.ItemIds;
import io.espalier.catalog.v1.Operands;
import io.espalier.catalog.v1.Range;
import io.espalier.catalog.v1.Value;
import io.espalier.inference.Tensor;
import io.espalier.retrieval.v1.Decoding;
import io.espalier.retrieval.v1.ExplainRequest;
import io.espalier.retrieval.v1.LoadWidth;
import io.espalier.retrieval.v1.PrefixQuota;
import io.espalier.retrieval.v1.RetrievalServiceGrpc;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.retrieval.v1.Sampling;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.testing.FunctionRunner;
import io.espalier.testing.ServedStage;
import io.grpc.Status;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Requests with random bytes changed get an answer or a refusal that says why, never INTERNAL. */
class MutatedRequestsTest {
  private static final int REQUESTS = Integer.getInteger("espalier.fuzz.requests", 20_000);

  @Test
  void retrieveAndExplain_mutatedBytes_neverUseTheMappersFallback(@TempDir Path dir)
      throws IOException {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    Path data = Files.createDirectories(dir.resolve("data"));
    Files.writeString(
        data.resolve("items.jsonl"),
        """
        {"id": "a", "title": "nail polish", "brand": "x", "price": 3}
        {"id": "b", "title": "comb"}
        """);
    RetrievalComponent component =
        RetrievalComponent.open(
            repository(dir).open(),
            List.of(BundleId.parse("user@1"), BundleId.parse("text@1")),
            DataFolder.open(data),
            new FunctionRunner()
                .model("user", in -> Map.of("user", Tensor.ofFloats(new float[] {1, 2}, 1, 2))));
    try (component;
        ServedStage stage = ServedStage.of("retrieval", component.service())) {
      check(
          stage.callSpoilt(
              RetrievalServiceGrpc.getRetrieveMethod(), i -> request(random), REQUESTS / 2, seed));
      check(
          stage.callSpoilt(
              RetrievalServiceGrpc.getExplainMethod(),
              i -> ExplainRequest.newBuilder().setRequest(request(random)).setItemId("a").build(),
              REQUESTS / 2,
              seed));
      assertThat(stage.server().unmappedExceptions()).isZero();
    }
  }

  private static void check(Map<Status.Code, Integer> codes) {
    assertThat(codes.keySet())
        .isSubsetOf(
            Status.Code.OK,
            Status.Code.INVALID_ARGUMENT,
            Status.Code.NOT_FOUND,
            // Bytes that came to ask for an offset ahead of the catalogue.
            Status.Code.FAILED_PRECONDITION)
        .contains(Status.Code.OK, Status.Code.INVALID_ARGUMENT);
  }

  private static RetrieveRequest request(Random random) {
    RetrieveRequest.Builder request =
        RetrieveRequest.newBuilder()
            .setBundle(random.nextBoolean() ? "user" : "text")
            .setBundleVersion(1)
            .setK(random.nextInt(4) == 0 ? random.nextInt() : 1 + random.nextInt(1000))
            .setBeamWidth(random.nextInt(40))
            .addAllHistory(List.of("a", "b", "\u0000"))
            .setQuery("nail \uD83D\uDC85 comb")
            .addExclude("b");
    if (random.nextInt(4) == 0) {
      request.setDecoding(
          Decoding.newBuilder()
              .setSampling(Sampling.newBuilder().setTemperature(0.5))
              .addQuotas(PrefixQuota.newBuilder().setLength(1).setMost(2))
              .setUnseenShare(0.1)
              .setLoadWidth(LoadWidth.newBuilder().setLeast(3)));
    }
    if (random.nextBoolean()) {
      request.setFilter(filter(random, 3));
    }
    return request.build();
  }

  private static Filter filter(Random random, int depth) {
    Filter.Builder filter = Filter.newBuilder();
    Value value = Value.newBuilder().setNumber(random.nextInt(5)).build();
    switch (random.nextInt(depth == 0 ? 4 : 7)) {
      case 0 -> filter.setEquals(Equals.newBuilder().setAttribute("price").setValue(value));
      case 1 -> filter.setIn(In.newBuilder().setAttribute("brand").addValues(value));
      case 2 -> filter.setRange(Range.newBuilder().setAttribute("price").setMin(1).setMax(3));
      case 3 -> filter.setIds(ItemIds.newBuilder().addIds("a"));
      case 4 -> filter.setNot(filter(random, depth - 1));
      case 5 ->
          filter.setAllOf(
              Operands.newBuilder()
                  .addFilters(filter(random, depth - 1))
                  .addFilters(filter(random, depth - 1)));
      default -> filter.setAnyOf(Operands.newBuilder().addFilters(filter(random, depth - 1)));
    }
    return filter.build();
  }

  private static TestRepository repository(Path dir) throws IOException {
    TestRepository repository = new TestRepository(dir.resolve("repository"));
    repository.add(
        "user",
        "E4SRec",
        "encode",
        "{history: 3, width: 2}",
        Map.of("user", "user"),
        Map.of(
            "items",
            TestRepository.lines(List.of("a", "b")),
            "item_vectors",
            TestRepository.npy(new float[][] {{1, 0}, {0, 1}})));
    repository.add(
        "text",
        "TextIndex",
        "text",
        "{fields: [{name: title, weight: 2, b: 0.5, k1: 1}], analyzer: standard}",
        Map.of(),
        Map.of());
    return repository;
  }
}
