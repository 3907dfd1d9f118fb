package io.espalier.rewrite;

import java.util.Objects;

/**
 * Other words for a query.
 *
 * @param text the words
 * @param origin where they were found
 * @param persona whom they speak as; empty for nobody in particular
 * @param score log-probability for a model's, relevance or same-meaning score for a table's
 */
record Rewrite(String text, Origin origin, String persona, double score) {
  Rewrite {
    Objects.requireNonNull(text, "text");
    Objects.requireNonNull(origin, "origin");
    Objects.requireNonNull(persona, "persona");
  }

  /** Where a rewrite was found. */
  enum Origin {
    TABLE,
    CACHE,
    MODEL
  }

  Rewrite from(Origin other) {
    return new Rewrite(text, other, persona, score);
  }
}
