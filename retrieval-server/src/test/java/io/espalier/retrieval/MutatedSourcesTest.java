package io.espalier.retrieval;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.inference.Tensor;
import io.espalier.retrieval.v1.RetrievalServiceGrpc;
import io.espalier.retrieval.v1.RetrievalServiceGrpc.RetrievalServiceBlockingStub;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.retrieval.v1.RetrieveResponse;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.testing.FunctionRunner;
import io.espalier.testing.ServedStage;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.nio.LongBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Bundles whose files are broken and whose checksums are true, as a recipe with a defect would make
 * them: a running server refuses them or serves them, and what served before goes on as it did.
 */
class MutatedSourcesTest {
  private static final int BUNDLES = 2_000;
  private static final int ITEMS = 60;
  private static final int CODES = 8;
  private static final String TIGER =
      "{history: 2, history_sizes: [2], levels: 2, codes: 8, cache_width: 1, beam: 8}";
  private static final List<String> PARAMETERS =
      List.of(
          "{history: 2, history_sizes: [2], levels: 3, codes: 8, cache_width: 1, beam: 8}",
          "{history: 2, history_sizes: [2], levels: 1, codes: 8, cache_width: 1, beam: 8}",
          "{history: 2, history_sizes: [2], levels: 2, codes: 3, cache_width: 1, beam: 8}",
          "{history: 2, history_sizes: [2], levels: 2, codes: 8, cache_width: 1, beam: 0}",
          "{history: 2, history_sizes: [3], levels: 2, codes: 8, cache_width: 1, beam: 8}",
          "{history: 2, history_sizes: [], levels: 2, codes: 8, cache_width: 1, beam: 8}",
          "{history: 2, history_sizes: [2], levels: -2, codes: 8, cache_width: 1, beam: 8}",
          "{history: 2, history_sizes: [2], codes: 8, cache_width: 1, beam: 8}",
          "{history: 2, history_sizes: [2], levels: 2, codes: 8, cache_width: 1, decode: other}",
          "{}");

  @TempDir Path dir;

  @Test
  void load_brokenFilesWithTrueChecksums_areRefusedOrServedAndTheOldGoesOn() throws Exception {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    TestRepository repository = new TestRepository(dir);
    tiger(repository, TIGER, sound());
    popular(repository, table());
    Path folder = Files.createDirectories(dir.resolve("data"));
    Files.write(
        folder.resolve("items.jsonl"),
        IntStream.range(0, ITEMS).mapToObj("{\"id\": \"item-%d\"}"::formatted).toList());
    Map<String, Integer> outcomes = new TreeMap<>();
    try (RetrievalComponent component =
            RetrievalComponent.open(
                repository.open(),
                List.of(BundleId.parse("tiger@1"), BundleId.parse("popular@1")),
                DataFolder.open(folder),
                models());
        ServedStage stage = ServedStage.of("retrieval", component.service())) {
      RetrievalServiceBlockingStub stub = RetrievalServiceGrpc.newBlockingStub(stage.channel());
      List<RetrieveResponse> before = ask(stub);
      for (int n = 0; n < BUNDLES; n++) {
        repository.version(2);
        String name = random.nextInt(3) == 0 ? "popular" : "tiger";
        if (name.equals("popular")) {
          popular(repository, mutated(table(), random));
        } else {
          tiger(
              repository,
              random.nextInt(4) == 0 ? PARAMETERS.get(random.nextInt(PARAMETERS.size())) : TIGER,
              mutated(sound(), random));
        }
        BundleId id = new BundleId(name, 2);
        String outcome = "served";
        try {
          component.bundles().switchTo(id);
          outcome += " " + code(stub, name, 2);
          assertThat(component.bundles().retire(id)).isDone();
        } catch (BundleException e) {
          outcome = "refused";
        }
        outcomes.merge(outcome, 1, Integer::sum);
        assertThat(component.bundles().serving())
            .containsExactly(BundleId.parse("popular@1"), BundleId.parse("tiger@1"));
        if (n % 50 == 0) {
          assertThat(ask(stub)).isEqualTo(before);
        }
      }
      assertThat(ask(stub)).isEqualTo(before);
      assertThat(stage.server().unmappedExceptions()).isZero();
    }
    System.out.println(outcomes);
    assertThat(outcomes.keySet())
        .isSubsetOf(
            Set.of("refused", "served OK", "served FAILED_PRECONDITION", "served UNAVAILABLE"));
    assertThat(outcomes.getOrDefault("refused", 0)).isGreaterThan(BUNDLES / 10);
    assertThat(outcomes.getOrDefault("served OK", 0)).isGreaterThan(BUNDLES / 20);
  }

  private static List<RetrieveResponse> ask(RetrievalServiceBlockingStub stub) {
    return List.of(stub.retrieve(request("tiger", 1)), stub.retrieve(request("popular", 1)));
  }

  private static Status.Code code(RetrievalServiceBlockingStub stub, String name, int version) {
    try {
      var unused = stub.retrieve(request(name, version));
      return Status.Code.OK;
    } catch (StatusRuntimeException e) {
      return e.getStatus().getCode();
    }
  }

  private static RetrieveRequest request(String name, int version) {
    return RetrieveRequest.newBuilder()
        .setBundle(name)
        .setBundleVersion(version)
        .setK(20)
        .addHistory("item-1")
        .build();
  }

  private static Map<String, byte[]> sound() {
    Random codes = new Random(3);
    return Map.of(
        "items",
        TestRepository.lines(IntStream.range(0, ITEMS).mapToObj(n -> "item-" + n).toList()),
        "semantic_ids",
        TestRepository.lines(
            IntStream.range(0, ITEMS)
                .mapToObj(
                    n -> "item-%d\t%d %d".formatted(n, codes.nextInt(CODES), codes.nextInt(CODES)))
                .toList()));
  }

  private static Map<String, byte[]> table() {
    return Map.of(
        "popularity",
        TestRepository.lines(
            IntStream.range(0, ITEMS).mapToObj("item-%d\t5\t1"::formatted).toList()));
  }

  private static void tiger(TestRepository repository, String parameters, Map<String, byte[]> files)
      throws IOException {
    repository.add(
        "tiger",
        "TIGER",
        "generate",
        parameters,
        Map.of("prefill", "prefill", "step1", "step1"),
        files);
  }

  private static void popular(TestRepository repository, Map<String, byte[]> files)
      throws IOException {
    repository.add("popular", "Popularity", "encode", "{}", Map.of(), files);
  }

  /** One of the files, broken. */
  private static Map<String, byte[]> mutated(Map<String, byte[]> files, Random random) {
    Map<String, byte[]> broken = new HashMap<>(files);
    List<String> names = files.keySet().stream().sorted().toList();
    String name = names.get(random.nextInt(names.size()));
    byte[] bytes = Objects.requireNonNull(files.get(name)).clone();
    switch (random.nextInt(5)) {
      case 0 -> bytes = Arrays.copyOf(bytes, random.nextInt(bytes.length));
      case 1 -> bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
      case 2 -> bytes[random.nextInt(bytes.length)] = (byte) "\t\n 9-".charAt(random.nextInt(5));
      case 3 -> {
        List<String> lines =
            new ArrayList<>(List.of(new String(bytes, StandardCharsets.UTF_8).split("\n")));
        int line = random.nextInt(lines.size());
        switch (random.nextInt(3)) {
          case 0 -> lines.remove(line);
          case 1 -> lines.add(line, lines.get(random.nextInt(lines.size())));
          default -> Collections.shuffle(lines, random);
        }
        bytes = TestRepository.lines(lines);
      }
      default -> bytes = TestRepository.lines(List.of());
    }
    broken.put(name, bytes);
    return broken;
  }

  private static FunctionRunner models() {
    float[] even = new float[CODES];
    return new FunctionRunner()
        .model(
            "prefill",
            inputs ->
                Map.of(
                    "log_probs", Tensor.ofFloats(even, 1, CODES),
                    "state_kept", Tensor.ofLongs(new long[1], 1, 1)))
        .model(
            "step1",
            inputs -> {
              LongBuffer code = inputs.getOrDefault("code", Tensor.ofLongs(new long[0], 0)).longs();
              int beams = code.remaining();
              return Map.of(
                  "log_probs", Tensor.ofFloats(new float[beams * CODES], 1, beams, CODES));
            });
  }
}
