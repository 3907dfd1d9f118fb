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

/** The user side of E4SRec (arXiv:2312.02443): item indices in, one vector out. */
final class E4SRecUser implements UserEncoder {
  private final String model;
  private final ItemOrder items;
  private final int length;

  E4SRecUser(Bundle bundle, ItemOrder items) {
    this.model = bundle.model("user");
    this.items = items;
    this.length = bundle.parameters().size("history");
  }

  @Override
  public Optional<Pending> start(List<String> history, FeatureRows features, ModelCalls calls) {
    List<String> known = KnownHistory.of(history, items, length);
    if (known.isEmpty()) {
      return Optional.empty();
    }
    long[] indices = new long[length];
    Arrays.fill(indices, -1);
    for (int i = 0; i < known.size(); i++) {
      indices[length - known.size() + i] = items.index(known.get(i)).orElseThrow();
    }
    return Optional.of(
        calls.start(model, Map.of("history", Tensor.ofLongs(indices, 1, length)), "user"));
  }

  @Override
  public String model() {
    return model;
  }
}
