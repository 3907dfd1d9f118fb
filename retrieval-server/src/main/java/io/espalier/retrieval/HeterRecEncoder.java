package io.espalier.retrieval;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.index.ItemIds;
import io.espalier.index.vector.FloatMatrix;
import io.espalier.inference.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * HeterRec (2025): token-level and item-level transformers read a history of items with their
 * brand, category and text into a vector a head; an item's score is its best over the heads.
 */
final class HeterRecEncoder implements VectorSearch.Encoder {
  private final ModelCalls calls;
  private final String model;
  private final int history;
  private final int heads;
  private final int width;
  private final int textWidth;
  // By item; -1 where unknown.
  private final int[] brand;
  private final int[] category;
  private final FloatMatrix text;

  HeterRecEncoder(Bundle bundle, ItemIds ids, ModelCalls calls) {
    this.calls = calls;
    this.model = bundle.model("user");
    this.history = bundle.parameters().size("history");
    this.heads = bundle.parameters().size("heads");
    this.width = bundle.parameters().size("width");
    this.textWidth = bundle.parameters().size("text_width");
    this.text = VectorSearch.read(bundle, "text_vectors", ids.size());
    if (text.width() != textWidth) {
      throw bundle.parameters().wrong("text_width", textWidth, text.width() + ", as text_vectors");
    }
    this.brand = new int[ids.size()];
    this.category = new int[ids.size()];
    readFeatures(bundle, ids);
  }

  private void readFeatures(Bundle bundle, ItemIds ids) {
    Arrays.fill(brand, -1);
    Arrays.fill(category, -1);
    List<String> lines;
    try {
      lines = Files.readAllLines(bundle.file("item_features"));
    } catch (IOException e) {
      throw new BundleException("bundle " + bundle.id() + ": files.item_features", e);
    }
    for (int n = 0; n < lines.size(); n++) {
      String[] parts = lines.get(n).split("\t", -1);
      int item = ids.indexOf(parts[0]);
      try {
        if (item < 0 || parts.length != 3) {
          throw new NumberFormatException("item or columns");
        }
        brand[item] = Integer.parseInt(parts[1]);
        category[item] = Integer.parseInt(parts[2]);
      } catch (NumberFormatException e) {
        throw new BundleException(
            "bundle "
                + bundle.id()
                + ": item_features:"
                + (n + 1)
                + ": "
                + lines.get(n)
                + " (expected: known id, TAB, brand index, TAB, category index)",
            e);
      }
    }
  }

  int width() {
    return width;
  }

  @Override
  public float[] encode(Question question, int[] known) {
    int[] items = History.fit(known, history);
    long[] itemIds = new long[history];
    long[] brands = new long[history];
    long[] categories = new long[history];
    float[] texts = new float[history * textWidth];
    for (int e = 0; e < history; e++) {
      int item = items[e];
      boolean padding = item == History.PADDING;
      itemIds[e] = item;
      brands[e] = padding ? History.PADDING : brand[item];
      categories[e] = padding ? History.PADDING : category[item];
      if (!padding) {
        text.copyRow(item, texts, e * textWidth);
      }
    }
    Map<String, Tensor> outputs =
        calls.infer(
            model,
            Map.of(
                "items", Tensor.ofLongs(itemIds, 1, history),
                "brands", Tensor.ofLongs(brands, 1, history),
                "categories", Tensor.ofLongs(categories, 1, history),
                "text", Tensor.ofFloats(texts, 1, history, textWidth)),
            question.deadlineNanos());
    float[] users = new float[heads * width];
    ModelCalls.output(outputs, model, "users", 1, heads, width).floats().get(users);
    return users;
  }
}
