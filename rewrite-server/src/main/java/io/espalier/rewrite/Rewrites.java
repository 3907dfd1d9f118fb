package io.espalier.rewrite;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * The rewrites of one query.
 *
 * @param normalisedQuery what the table and the cache were asked for
 * @param rewrites best first
 * @param modelLate whether the model was asked and did not answer in its budget
 */
record Rewrites(String normalisedQuery, List<Rewrite> rewrites, boolean modelLate) {
  Rewrites {
    rewrites = List.copyOf(rewrites);
  }

  /** The first {@code max} that say something new: not the query, and nothing twice. */
  static List<Rewrite> distinct(String normalisedQuery, List<Rewrite> found, int max) {
    Set<String> seen = new HashSet<>();
    seen.add(normalisedQuery);
    seen.add("");
    List<Rewrite> kept = new ArrayList<>(Math.min(max, found.size()));
    for (Rewrite rewrite : found) {
      if (kept.size() == max) {
        break;
      }
      if (seen.add(QueryNormaliser.normalise(rewrite.text()))) {
        kept.add(rewrite);
      }
    }
    return kept;
  }
}
