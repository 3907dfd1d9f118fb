package io.espalier.ranking;

import io.espalier.bundles.BundleId;
import io.espalier.bundles.ItemOrder;
import io.espalier.index.vector.VectorIndex;
import io.espalier.ranking.ModelCalls.Pending;
import io.espalier.stores.features.FeatureRows;
import io.espalier.stores.features.FeatureStore;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * A model whose logit of an item is the highest inner product of the user's vectors with the item's
 * vector, plus the item's bias: E4SRec with one vector, HeterRec with one a head.
 */
final class InnerProductScorer {
  private final BundleId id;
  private final ItemOrder items;
  private final UserEncoder encoder;
  private final FeatureStore features;
  private final int width;
  private final boolean hasDefault;
  private final float[] bias;
  private final VectorIndex catalogue;
  private final FeatureMetrics metrics;

  /**
   * @param features of the items, their vectors among them
   * @param width of a vector
   * @param hasDefault whether the default vector means something; else nothing is said of an
   *     unknown item
   * @param bias of the items; empty for none
   * @param catalogue the same vectors and bias, laid out for looking at all of them
   */
  InnerProductScorer(
      BundleId id,
      ItemOrder items,
      UserEncoder encoder,
      FeatureStore features,
      int width,
      boolean hasDefault,
      float[] bias,
      VectorIndex catalogue,
      FeatureMetrics metrics) {
    this.id = id;
    this.items = items;
    this.encoder = encoder;
    this.features = features;
    this.width = width;
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

  /** Begins to look up what is read of a request's items. */
  FeatureRows rows(RankingQuery query, ModelCalls calls) {
    Set<String> read = new LinkedHashSet<>(query.history());
    query.candidates().forEach(candidate -> read.add(candidate.itemId()));
    return features.rows(read, calls.remaining());
  }

  /** Starts to encode a history; empty when the model knows nothing of it. */
  Optional<Pending> start(List<String> history, FeatureRows rows, ModelCalls calls) {
    return encoder.start(history, rows, calls);
  }

  /**
   * What is said of a candidate.
   *
   * @param value the logit; NaN where nothing is said
   * @param known whether the item has a vector of its own
   */
  record Logit(double value, boolean known) {}

  /** The logit of one item for a user. */
  Logit logit(float[] users, FeatureRows rows, String itemId) {
    float[] vector = new float[width];
    boolean known = rows.vector(ScorerLoader.ITEM_VECTORS, itemId, vector, 0);
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
    features.close();
  }
}
