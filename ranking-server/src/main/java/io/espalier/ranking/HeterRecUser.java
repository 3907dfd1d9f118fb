package io.espalier.ranking;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.ItemOrder;
import io.espalier.inference.Tensor;
import io.espalier.ranking.ModelCalls.Pending;
import io.espalier.stores.features.FeatureRows;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The user side of HeterRec (SIGIR 2025, arXiv:2503.01469): id, brand, category and text of each
 * item in, one vector a head out.
 */
final class HeterRecUser implements UserEncoder {
  private final String model;
  private final ItemOrder items;
  private final int length;
  private final int textWidth;

  HeterRecUser(Bundle bundle, ItemOrder items, int textWidth) {
    this.model = bundle.model("user");
    this.items = items;
    this.length = bundle.parameters().size("history");
    this.textWidth = textWidth;
  }

  @Override
  public Optional<Pending> start(List<String> history, FeatureRows features, ModelCalls calls) {
    List<String> known = KnownHistory.of(history, items, length);
    if (known.isEmpty()) {
      return Optional.empty();
    }
    long[] ids = padding();
    long[] brand = padding();
    long[] category = padding();
    float[] vectors = new float[length * textWidth];
    for (int i = 0; i < known.size(); i++) {
      String item = known.get(i);
      int at = length - known.size() + i;
      ids[at] = items.index(item).orElseThrow();
      brand[at] = features.category(ScorerLoader.BRANDS, item);
      category[at] = features.category(ScorerLoader.CATEGORIES, item);
      features.vector(ScorerLoader.TEXT, item, vectors, at * textWidth);
    }
    return Optional.of(
        calls.start(
            model,
            Map.of(
                "items", Tensor.ofLongs(ids, 1, length),
                "brands", Tensor.ofLongs(brand, 1, length),
                "categories", Tensor.ofLongs(category, 1, length),
                "text", Tensor.ofFloats(vectors, 1, length, textWidth)),
            "users"));
  }

  private long[] padding() {
    long[] values = new long[length];
    Arrays.fill(values, -1);
    return values;
  }

  @Override
  public String model() {
    return model;
  }
}
