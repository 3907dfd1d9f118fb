package io.espalier.catalog;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import io.espalier.stores.catalog.CatalogItem;
import io.espalier.testing.ParityFixture;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.stream.StreamSupport;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** New items get the tokens, vectors and codes that the recipe gave them. */
class NewItemParityTest {
  private static final Path ROOT = Path.of(System.getProperty("espalier.root", ".."));

  @ParameterizedTest
  @ValueSource(strings = {"shop-tiger@1", "beauty-tiger@1"})
  void assign_madeUpItems_areAsTheRecipeHasThem(String name) throws IOException {
    BundleRepository repository = BundleRepository.open(ROOT.resolve("model-repo"));
    Bundle bundle = repository.get(BundleId.parse(name));
    Map<String, List<Integer>> table = CatalogComponent.table(bundle);
    CodeBook book = CodeBook.read(bundle, table.values());
    try (EmbeddedModelRunner runner = new EmbeddedModelRunner(repository.models());
        TextVectors vectors = TextVectors.open(load(runner, bundle), runner, book.width())) {
      ItemCoder coder = new ItemCoder(table, new ItemCoder.NewItems(vectors, book));
      List<JsonNode> examples = ParityFixture.read(bundle.file("assign_parity"));
      List<CatalogItem> items = new ArrayList<>();
      for (JsonNode example : examples) {
        items.add(item("new-" + items.size(), example));
      }
      Map<String, float[]> found = vectors.encode(items.stream().map(TextVectors::text).toList());
      coder.prepare(items);

      for (int i = 0; i < items.size(); i++) {
        JsonNode example = examples.get(i);
        String text = TextVectors.text(items.get(i));
        assertThat(vectors.tokens(text)).as(text).isEqualTo(longs(example.get("tokens")));
        assertThat(found.get(text))
            .as(text)
            .containsExactly(floats(example.get("vector")), within(1e-4f));
        ItemCoder.Coding coding = coder.assign(items.get(i));
        assertThat(coding.codes()).as(text).isEqualTo(integers(example.get("codes")));
        coder.learn(items.get(i), coding.codes());
      }
      assertThat(examples).hasSizeGreaterThan(150);
    }
  }

  private static Bundle load(EmbeddedModelRunner runner, Bundle bundle) {
    runner.load(bundle.model("assign"));
    return bundle;
  }

  private static CatalogItem item(String id, JsonNode example) {
    return new CatalogItem(
        id,
        example.get("title").asText(),
        example.get("brand").asText(),
        StreamSupport.stream(example.get("category").spliterator(), false)
            .map(JsonNode::asText)
            .toList(),
        "",
        OptionalDouble.empty(),
        Map.of(),
        "",
        OptionalLong.empty());
  }

  private static long[] longs(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false).mapToLong(JsonNode::asLong).toArray();
  }

  private static List<Integer> integers(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false).map(JsonNode::asInt).toList();
  }

  private static float[] floats(JsonNode list) {
    float[] values = new float[list.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) list.get(i).asDouble();
    }
    return values;
  }
}
