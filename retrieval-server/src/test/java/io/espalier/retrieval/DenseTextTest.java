package io.espalier.retrieval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleRepository;
import io.espalier.catalog.CatalogState;
import io.espalier.index.ItemIds;
import io.espalier.index.filter.ItemFilter;
import io.espalier.index.vector.FloatMatrix;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import io.espalier.stores.catalog.CatalogItem;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** The committed dense retrievers: tokenizer, encoder and exact search together. */
class DenseTextTest {

  @TestFactory
  Stream<DynamicTest> retrieve_everyDenseBundle_equalsBruteForceOverItsVectors() {
    BundleRepository repository =
        BundleRepository.open(Path.of(System.getProperty("espalier.root", ".."), "model-repo"));
    List<Bundle> bundles =
        repository.list().stream()
            .map(repository::get)
            .filter(bundle -> bundle.system().equals("DenseText"))
            .toList();
    assertThat(bundles).as("bundles of system DenseText").isNotEmpty();
    return bundles.stream()
        .map(
            bundle ->
                DynamicTest.dynamicTest(bundle.id().toString(), () -> check(repository, bundle)));
  }

  private static void check(BundleRepository repository, Bundle bundle) {
    ItemIds ids = ItemIds.of(bundle.readItems().ids());
    Catalogue catalogue =
        new Catalogue(
            CatalogState.of(
                IntStream.range(0, ids.size())
                    .mapToObj(item -> item(ids.id(item), item % 2))
                    .toList()),
            null,
            Runnable::run);
    FloatMatrix vectors = VectorSearch.read(bundle, "item_vectors", ids.size());
    try (EmbeddedModelRunner runner = new EmbeddedModelRunner(repository.models())) {
      RetrievalComponent.models(repository, List.of(bundle.id())).forEach(runner::load);
      ModelCalls calls = new ModelCalls(runner);
      Retriever retriever =
          new RetrieverFactory(repository, List::of, null, catalogue, calls, null)
              .create(bundle, new ArrayList<>());
      try (TextEncoder encoder =
          TextEncoder.open(repository.get(RetrieverFactory.encoder(bundle)), calls)) {
        for (String query : List.of("laptop", "usb c cable black", "x", "very long ".repeat(300))) {
          Question question = question(query, catalogue);
          float[] vector = encoder.encode(question, new int[0]);
          assertThat(
                  IntStream.range(0, vector.length).mapToDouble(d -> vector[d] * vector[d]).sum())
              .as("squared length of %s", query)
              .isCloseTo(1, within(1e-3));

          List<Answer.Hit> hits = retriever.retrieve(question).hits();

          double[] best =
              IntStream.range(0, ids.size())
                  .filter(item -> item % 2 == 0)
                  .mapToDouble(item -> -product(vectors, item, vector))
                  .sorted()
                  .limit(20)
                  .toArray();
          assertThat(hits).hasSize(20);
          for (int rank = 0; rank < best.length; rank++) {
            Answer.Hit hit = hits.get(rank);
            int item = ids.indexOf(hit.id());
            assertThat(item % 2).isZero();
            assertThat(hit.score()).isCloseTo(-best[rank], within(1e-5));
            assertThat(hit.score()).isCloseTo(product(vectors, item, vector), within(1e-5));
          }
        }
      }
    }
  }

  private static double product(FloatMatrix vectors, int item, float[] query) {
    double sum = 0;
    for (int d = 0; d < query.length; d++) {
      sum += (double) vectors.get(item, d) * query[d];
    }
    return sum;
  }

  /** Only items of even index: their price is 0. */
  private static Question question(String query, Catalogue catalogue) {
    return new Question(
        20,
        0,
        List.of(),
        query,
        new ItemFilter.Range("price", 0, 0),
        Set.of(),
        catalogue.view(),
        Control.NONE,
        System.nanoTime() + TimeUnit.SECONDS.toNanos(60));
  }

  private static CatalogItem item(String id, int price) {
    return new CatalogItem(
        id, "", "", List.of(), "", OptionalDouble.of(price), Map.of(), "", OptionalLong.empty());
  }
}
