package io.espalier.ranking;

import io.espalier.bundles.BundleId;
import io.espalier.bundles.ItemOrder;
import io.espalier.index.vector.VectorIndex;
import io.espalier.ranking.ModelCalls.Pending;
import io.espalier.stores.features.VectorFeature;
import java.util.List;
import java.util.Optional;

/**
 * A model whose logit of an item is the highest inner product of the user's vectors with the item's
 * vector, plus the item's bias: E4SRec with one vector, HeterRec with one a head.
 */
final class InnerProductScorer {
  private final BundleId id;
  private final ItemOrder items;
  private final UserEncoder encoder;
  private final VectorFeature vectors;
  private final boolean hasDefault;
  private final float[] bias;
  private final VectorIndex catalogue;
  private final FeatureMetrics metrics;

  /**
   * @param vectors of the items, as the feature store serves them
   * @param hasDefault whether the default vector means something; else nothing is said of an
   *     unknown item
   * @param bias of the items; empty for none
   * @param catalogue the same vectors and bias, laid out for looking at all of them
   */
  InnerProductScorer(
      BundleId id,
      ItemOrder items,
      UserEncoder encoder,
      VectorFeature vectors,
      boolean hasDefault,
      float[] bias,
      VectorIndex catalogue,
      FeatureMetrics metrics) {
    this.id = id;
    this.items = items;
    this.encoder = encoder;
    this.vectors = vectors;
    this.hasDefault = hasDefault;
    this.bias = bias;
    this.catalogue = catalogue;
    this.metrics = metrics;
  }

  BundleId id() {
    return id;
  }

  String model() {
    return encoder.model();
  }

  /** Items that it knows. */
  ItemOrder items() {
    return items;
  }

  /** Starts to encode a history; empty when the model knows nothing of it. */
  Optional<Pending> start(List<String> history, ModelCalls calls) {
    return encoder.start(history, calls);
  }

  /**
   * What is said of a candidate.
   *
   * @param value the logit; NaN where nothing is said
   * @param known whether the item has a vector of its own
   */
  record Logit(double value, boolean known) {}

  /** The logit of one item for a user. */
  Logit logit(float[] users, String itemId) {
    int width = vectors.width();
    float[] vector = new float[width];
    boolean known = vectors.read(itemId, vector, 0);
    if (!known && !hasDefault) {
      return new Logit(Double.NaN, false);
    }
    float best = Float.NEGATIVE_INFINITY;
    for (int head = 0; head < users.length; head += width) {
      float sum = 0;
      for (int d = 0; d < width; d++) {
        sum += users[head + d] * vector[d];
      }
      best = Math.max(best, sum);
    }
    if (known && bias.length > 0) {
      best += bias[items.index(itemId).orElseThrow()];
    }
    return new Logit(best, known);
  }

  /** The logits of the whole catalogue for a user. */
  float[] logits(float[] users) {
    float[] logits = new float[catalogue.size()];
    catalogue.scores(users, logits);
    return logits;
  }

  void close() {
    metrics.close();
  }
}
