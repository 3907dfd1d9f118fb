package io.espalier.ranking;

import io.espalier.bundles.BundleId;
import java.util.List;

/**
 * Scored candidates.
 *
 * @param kind what the scores are
 * @param items in the order of the request
 * @param bundles that took part beside the ranker itself
 * @param featuresLate whether defaults were read for items whose features were not to be had
 */
record Ranking(Kind kind, List<RankedItem> items, List<BundleId> bundles, boolean featuresLate) {
  Ranking {
    items = List.copyOf(items);
    bundles = List.copyOf(bundles);
  }

  /** What a score is. */
  enum Kind {
    /** Inner product of a user and an item. */
    SIMILARITY,
    /** Weighted sum of calibrated log-probabilities. */
    FUSED_LOG_PROBABILITY,
    /** Weighted sum of search features. */
    RELEVANCE
  }

  /**
   * A candidate's score.
   *
   * @param itemId external id
   * @param score higher is better
   * @param parts what went into it
   */
  record RankedItem(String itemId, double score, List<Part> parts) {
    RankedItem {
      parts = List.copyOf(parts);
    }
  }

  /**
   * A part of a score.
   *
   * @param name the scorer or feature
   * @param value before weighting
   * @param isDefault whether the item was unknown and a default was used
   */
  record Part(String name, double value, boolean isDefault) {}
}
