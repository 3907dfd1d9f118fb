package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import io.espalier.retrieval.RetrievalComponent;
import io.espalier.retrieval.v1.Candidate;
import io.espalier.retrieval.v1.RetrievalServiceGrpc;
import io.espalier.retrieval.v1.RetrievalServiceGrpc.RetrievalServiceBlockingStub;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.testing.ParityFixture;
import io.espalier.testing.ServedStage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * What is served of TransRec against its offline decode, which sorts suffixes where the server
 * searches an FM-index. It needs the items' texts, so it is the built-in shop's bundle; {@code
 * -Despalier.parity.data} and {@code -Despalier.parity.bundle} name others.
 *
 * <p>Scores are of the size of a hundred and agree to 1e-3 of themselves; lists agree as sets
 * within a run of neighbours that are closer than twice that. A run that the list's end cuts off is
 * not compared.
 */
class TransRecParityIT {
  private static final double SCORE = 1e-3;

  @Test
  void retrieve_parityHistories_servesWhatTheOfflineDecodeReturned() throws Exception {
    Path root = Path.of(System.getProperty("espalier.root"));
    String data = System.getProperty("espalier.parity.data");
    BundleId id = BundleId.parse(System.getProperty("espalier.parity.bundle", "shop-transrec@1"));
    BundleRepository repository = BundleRepository.open(root.resolve("model-repo"));
    Bundle bundle = repository.get(id);
    DataFolder folder = DataFolder.open(data == null ? BuiltInShop.folder(root) : Path.of(data));
    int equal = 0;
    List<JsonNode> examples = ParityFixture.read(bundle.file("parity_texts"));
    try (EmbeddedModelRunner runner = new EmbeddedModelRunner(repository.models())) {
      RetrievalComponent.models(repository, List.of(id)).forEach(runner::load);
      try (RetrievalComponent component =
              RetrievalComponent.open(repository, List.of(id), folder, runner);
          ServedStage stage = ServedStage.of("parity", component.service())) {
        RetrievalServiceBlockingStub stub = RetrievalServiceGrpc.newBlockingStub(stage.channel());
        for (JsonNode example : examples) {
          equal += check(stub, bundle, example) ? 1 : 0;
        }
      }
    }
    System.out.printf("%s: %d users, %d equal in order too%n", id, examples.size(), equal);
    assertThat(examples).hasSizeGreaterThanOrEqualTo(200);
  }

  private static boolean check(RetrievalServiceBlockingStub stub, Bundle bundle, JsonNode example) {
    List<String> history = ids(bundle, example.path("history"));
    List<String> offline = ids(bundle, example.path("items"));
    List<Candidate> served =
        stub.retrieve(
                RetrieveRequest.newBuilder()
                    .setBundle(bundle.name())
                    .setBundleVersion(bundle.version())
                    .setK(bundle.parameters().integer("parity_k"))
                    .setBeamWidth(bundle.parameters().integer("parity_beam"))
                    .addAllHistory(history)
                    .addAllExclude(history)
                    .build())
            .getCandidatesList();
    List<String> items = served.stream().map(Candidate::getItemId).toList();
    assertThat(items).as("%s", example).hasSameSizeAs(offline);
    double[] scores = new double[offline.size()];
    for (int i = 0; i < scores.length; i++) {
      scores[i] = example.path("scores").path(i).doubleValue();
      assertThat(Math.abs(served.get(i).getScore() - scores[i]))
          .as("score %s of %s", i, example)
          .isLessThanOrEqualTo(SCORE * Math.max(1, scores[i]));
    }
    int from = 0;
    for (int to = 1; to < scores.length; to++) {
      if (scores[to - 1] - scores[to] >= 2 * SCORE * Math.max(1, scores[to])) {
        assertThat(new HashSet<>(items.subList(from, to)))
            .as("ranks %s to %s of %s", from, to, example)
            .isEqualTo(new HashSet<>(offline.subList(from, to)));
        from = to;
      }
    }
    return items.equals(offline);
  }

  private static List<String> ids(Bundle bundle, JsonNode indices) {
    List<String> order = bundle.readItems().ids();
    List<String> ids = new ArrayList<>();
    indices.forEach(index -> ids.add(order.get(index.intValue())));
    return ids;
  }
}
