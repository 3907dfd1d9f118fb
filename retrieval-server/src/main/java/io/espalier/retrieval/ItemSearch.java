package io.espalier.retrieval;

import io.espalier.index.ScoredItems;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/** Scores every item of a bundle for a question and gives the best. */
interface ItemSearch {

  /** What a question must bring. */
  enum Needs {
    HISTORY,
    QUERY,
    NOTHING
  }

  Needs needs();

  ScoreKind scoreKind();

  /**
   * The k best items.
   *
   * @param history the items of the history that the bundle knows, oldest first; not empty where
   *     the search needs a history
   * @param legal items that may be returned; null for all
   */
  ScoredItems search(Question question, int[] history, int k, @Nullable BitSet legal);
}
