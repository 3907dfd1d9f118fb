package io.espalier.retrieval;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.bundles.ItemOrder;
import io.espalier.inference.ModelRunner;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import io.espalier.inference.triton.TritonContainer;
import io.espalier.inference.triton.TritonModelRunner;
import io.espalier.retrieval.v1.RetrievalServiceGrpc;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.retrieval.v1.RetrieveResponse;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.testing.ParityFixture;
import io.espalier.testing.ServedStage;
import io.opentelemetry.api.OpenTelemetry;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The committed models and a snapshot's fused model, as their folders are, on a real Triton: the
 * answers are those of the embedded engine.
 */
class FusedOnTritonIT {
  private static final BundleId BUNDLE = BundleId.parse("beauty-tiger@1");
  private static final int USERS = 500;
  private static final double SCORE = 1e-4;

  @TempDir private Path data;

  @Test
  void retrieve_usersOfBeauty_answersAsTheEmbeddedEngine() throws Exception {
    BundleRepository repository =
        BundleRepository.open(Path.of(System.getProperty("espalier.root", ".."), "model-repo"));
    Bundle bundle = repository.get(BUNDLE);
    ItemOrder items = bundle.readItems();
    Files.write(
        data.resolve("items.jsonl"),
        items.ids().stream().map(id -> "{\"id\": \"" + id + "\"}").toList());
    Set<String> models = RetrievalComponent.models(repository, List.of(BUNDLE));

    List<RetrieveResponse> embedded;
    try (EmbeddedModelRunner runner = new EmbeddedModelRunner(repository.models())) {
      models.forEach(runner::load);
      embedded = ask("embedded", repository, items, runner);
    }
    List<RetrieveResponse> served;
    try (TritonContainer server = TritonContainer.start(repository.models());
        TritonModelRunner runner = server.connect()) {
      models.forEach(runner::load);
      served = ask("Triton", repository, items, runner);
    }

    int equal = 0;
    for (int user = 0; user < embedded.size(); user++) {
      RetrieveResponse expected = embedded.get(user);
      RetrieveResponse answer = served.get(user);
      assertThat(answer.getFused()).isTrue();
      assertThat(answer.getCandidatesCount()).isEqualTo(expected.getCandidatesCount()).isPositive();
      for (int i = 0; i < expected.getCandidatesCount(); i++) {
        assertThat(answer.getCandidates(i).getScore())
            .isCloseTo(expected.getCandidates(i).getScore(), Offset.offset(SCORE));
      }
      equal += ids(answer).equals(ids(expected)) ? 1 : 0;
    }
    System.out.printf("%d of %d answers list the same items%n", equal, USERS);
    // The others are ties to the last digits.
    assertThat(equal).isGreaterThan(USERS * 99 / 100);
  }

  private List<RetrieveResponse> ask(
      String engine, BundleRepository repository, ItemOrder items, ModelRunner runner)
      throws Exception {
    List<RetrieveResponse> answers = new ArrayList<>();
    try (RetrievalComponent component =
            RetrievalComponent.open(
                repository,
                List.of(BUNDLE),
                DataFolder.open(data),
                runner,
                null,
                Decoder.FUSED,
                OpenTelemetry.noop());
        ServedStage stage = ServedStage.of("retrieval", component.service())) {
      RetrievalServiceGrpc.RetrievalServiceBlockingStub stub =
          RetrievalServiceGrpc.newBlockingStub(stage.channel())
              .withDeadlineAfter(1, TimeUnit.HOURS);
      long start = System.nanoTime();
      for (JsonNode user :
          ParityFixture.read(repository.get(BUNDLE).file("parity")).subList(0, USERS)) {
        RetrieveRequest.Builder request =
            RetrieveRequest.newBuilder()
                .setBundle(BUNDLE.name())
                .setBundleVersion(BUNDLE.version())
                .setK(20);
        user.path("history").forEach(item -> request.addHistory(items.id(item.intValue())));
        answers.add(stub.retrieve(request.addAllExclude(request.getHistoryList()).build()));
      }
      System.out.printf(
          "%s: %d users, one after another, %.2f ms each%n",
          engine, USERS, (System.nanoTime() - start) / 1e6 / USERS);
    }
    return answers;
  }

  private static List<String> ids(RetrieveResponse response) {
    return response.getCandidatesList().stream().map(candidate -> candidate.getItemId()).toList();
  }
}
