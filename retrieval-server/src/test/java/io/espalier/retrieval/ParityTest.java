package io.espalier.retrieval;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.bundles.ItemOrder;
import io.espalier.bundles.Parameters;
import io.espalier.catalog.v1.Filter;
import io.espalier.catalog.v1.ItemIds;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import io.espalier.retrieval.v1.Candidate;
import io.espalier.retrieval.v1.RetrievalServiceGrpc;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.retrieval.v1.RetrieveResponse;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.testing.ParityFixture;
import io.espalier.testing.ServedStage;
import io.opentelemetry.api.OpenTelemetry;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/**
 * What the gRPC service returns against what the offline decode of the same weights returned, for
 * every committed bundle that has a parity file.
 *
 * <p>Scores agree to 1e-4. Lists agree place by place, but as sets within a run of neighbours that
 * are closer than 2e-4; a run that the list's end cuts off is compared with a longer served list.
 */
class ParityTest {
  private static final double SCORE = 1e-4;
  private static final double NEIGHBOUR = 2e-4;
  private static final int MIN_USERS = 2000;
  // Requests in flight: fills the engine's batches.
  private static final int CONCURRENCY = 16;

  @TestFactory
  Stream<DynamicTest> parity_everyBundle_servesWhatItsOfflineDecodeReturned(@TempDir Path dir) {
    String root = System.getProperty("espalier.root", "..");
    BundleRepository repository = BundleRepository.open(Path.of(root, "model-repo"));
    List<Bundle> bundles =
        repository.list().stream()
            .map(repository::get)
            .filter(bundle -> RetrievalComponent.SYSTEMS.contains(bundle.system()))
            .filter(bundle -> bundle.hasFile("parity"))
            .toList();
    assertThat(bundles)
        .as("bundles with a parity file")
        .extracting(Bundle::system)
        .contains("TIGER", "COBRA", "E4SRec", "HeterRec");
    List<DynamicTest> tests = new ArrayList<>();
    for (Bundle bundle : bundles) {
      tests.add(test(repository, bundle, Decoder.STEPWISE, dir));
      if (bundle.hasFile("fused_live")) {
        tests.add(test(repository, bundle, Decoder.FUSED, dir));
      }
    }
    assertThat(tests).as("two of them fused too").hasSizeGreaterThanOrEqualTo(bundles.size() + 2);
    return tests.stream();
  }

  private static DynamicTest test(
      BundleRepository repository, Bundle bundle, Decoder decoder, Path dir) {
    String name = bundle.id() + (decoder == Decoder.FUSED ? " fused" : "");
    return DynamicTest.dynamicTest(name, () -> check(repository, bundle, decoder, name, dir));
  }

  private static void check(
      BundleRepository repository, Bundle bundle, Decoder decoder, String name, Path dir)
      throws Exception {
    ItemOrder items = bundle.readItems();
    Path data = Files.createDirectory(dir.resolve(name));
    Files.write(
        data.resolve("items.jsonl"),
        items.ids().stream().map(id -> "{\"id\": \"" + id + "\"}").toList());
    List<BundleId> ids = List.of(bundle.id());
    List<JsonNode> examples = ParityFixture.read(bundle.file("parity"));
    long start = System.nanoTime();
    long cpuStart = processCpuNanos();
    int equal = 0;
    try (EmbeddedModelRunner runner = new EmbeddedModelRunner(repository.models())) {
      RetrievalComponent.models(repository, ids).forEach(runner::load);
      RetrievalComponent component =
          RetrievalComponent.open(
              repository, ids, DataFolder.open(data), runner, null, decoder, OpenTelemetry.noop());
      try (component;
          ServedStage stage = ServedStage.of("parity", component.service());
          ExecutorService clients = Executors.newFixedThreadPool(CONCURRENCY)) {
        Example.Service service =
            new Example.Service(
                bundle,
                items,
                decoder == Decoder.FUSED,
                RetrievalServiceGrpc.newBlockingStub(stage.channel())
                    .withDeadlineAfter(1, TimeUnit.HOURS));
        List<Future<Boolean>> futures = new ArrayList<>();
        for (JsonNode example : examples) {
          futures.add(clients.submit(() -> new Example(service, example).check()));
        }
        for (Future<Boolean> future : futures) {
          equal += future.get() ? 1 : 0;
        }
      }
    }
    System.out.printf(
        "%s: %d users, %d equal, %d (%.2f %%) equal but for neighbours closer than %.0e, %.1f s"
            + " (processor %.1f s)%n",
        name,
        examples.size(),
        equal,
        examples.size() - equal,
        100.0 * (examples.size() - equal) / examples.size(),
        NEIGHBOUR,
        (System.nanoTime() - start) * 1e-9,
        (processCpuNanos() - cpuStart) * 1e-9);
    assertThat(examples).hasSizeGreaterThanOrEqualTo(MIN_USERS);
  }

  private static long processCpuNanos() {
    return ProcessHandle.current().info().totalCpuDuration().map(Duration::toNanos).orElse(0L);
  }

  /** One user's offline answer, and how to ask for the served one. */
  private record Example(Service service, JsonNode json) {

    private record Service(
        Bundle bundle,
        ItemOrder items,
        boolean fused,
        RetrievalServiceGrpc.RetrievalServiceBlockingStub stub) {}

    /** Fails where the answers differ; returns whether they are equal in order too. */
    boolean check() {
      return json.has("candidates") ? checkCandidates() : checkList();
    }

    /** Only the scores of given candidates are known. */
    private boolean checkCandidates() {
      List<String> candidates = ids("candidates");
      RetrieveRequest request =
          request(candidates.size())
              .setFilter(Filter.newBuilder().setIds(ItemIds.newBuilder().addAllIds(candidates)))
              .build();
      Map<String, Double> served = new HashMap<>();
      for (Candidate candidate : service.stub.retrieve(request).getCandidatesList()) {
        served.put(candidate.getItemId(), candidate.getScore());
      }
      assertThat(served.keySet()).as("%s", json).isEqualTo(Set.copyOf(candidates));
      for (int i = 0; i < candidates.size(); i++) {
        assertClose(served.getOrDefault(candidates.get(i), Double.NaN), score(i));
      }
      return true;
    }

    private boolean checkList() {
      Parameters parameters = service.bundle.parameters();
      int k = parameters.integer("parity_k");
      RetrieveRequest.Builder request =
          request(k).setBeamWidth(parameters.integer("parity_beam", 0));
      if (parameters.flag("parity_mask_seen", false)) {
        request.addAllExclude(request.getHistoryList());
      }
      RetrieveResponse response = service.stub.retrieve(request.build());
      assertThat(response.getFused()).isEqualTo(service.fused);
      List<Candidate> served = response.getCandidatesList();
      List<String> offline = ids("items");
      assertThat(served).as("%s", json).hasSameSizeAs(offline);
      for (int i = 0; i < offline.size(); i++) {
        assertClose(served.get(i).getScore(), score(i));
      }
      List<String> servedIds = served.stream().map(Candidate::getItemId).toList();
      if (servedIds.equals(offline)) {
        return true;
      }
      int from = 0;
      while (from < offline.size()) {
        int to = from + 1;
        while (to < offline.size() && score(to - 1) - score(to) < NEIGHBOUR) {
          to++;
        }
        if (to == offline.size()) {
          checkCutRun(request, offline.subList(from, to), from);
        } else {
          assertThat(new HashSet<>(servedIds.subList(from, to)))
              .as("ranks %s to %s of %s", from, to, json)
              .isEqualTo(new HashSet<>(offline.subList(from, to)));
        }
        from = to;
      }
      return false;
    }

    /**
     * The run goes on beyond the list's end: each of its items is served, further down at worst.
     */
    private void checkCutRun(RetrieveRequest.Builder request, List<String> run, int from) {
      Map<String, Double> served =
          service
              .stub
              .retrieve(request.setK(2 * request.getK()).build())
              .getCandidatesList()
              .stream()
              .collect(Collectors.toMap(Candidate::getItemId, Candidate::getScore));
      for (int i = 0; i < run.size(); i++) {
        assertThat(served).as("%s", json).containsKey(run.get(i));
        assertClose(served.getOrDefault(run.get(i), Double.NaN), score(from + i));
      }
    }

    private RetrieveRequest.Builder request(int k) {
      return RetrieveRequest.newBuilder()
          .setBundle(service.bundle.name())
          .setBundleVersion(service.bundle.version())
          .setK(k)
          .addAllHistory(ids("history"));
    }

    private List<String> ids(String key) {
      List<String> ids = new ArrayList<>();
      json.path(key).forEach(index -> ids.add(service.items.id(index.intValue())));
      return ids;
    }

    private double score(int rank) {
      return json.path("scores").path(rank).doubleValue();
    }

    private void assertClose(double served, double offline) {
      if (!(Math.abs(served - offline) <= SCORE)) {
        throw new AssertionError(
            "score " + served + " (expected: " + offline + " to " + SCORE + ") in " + json);
      }
    }
  }
}
