package io.espalier.ranking;

import io.espalier.ranking.ModelCalls.Pending;
import io.espalier.stores.features.FeatureRows;
import java.util.List;
import java.util.Optional;

/** Turns a history into the vectors whose inner products with items' vectors are logits. */
interface UserEncoder {

  /**
   * Starts the model call; it gives one vector a head, one after another.
   *
   * @param history external ids, oldest first
   * @param features of its items
   * @return empty when the model knows no item of the history
   */
  Optional<Pending> start(List<String> history, FeatureRows features, ModelCalls calls);

  /** The model's name. */
  String model();
}
