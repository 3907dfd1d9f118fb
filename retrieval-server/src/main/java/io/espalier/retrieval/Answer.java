package io.espalier.retrieval;

import java.util.List;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;

/**
 * What a source found.
 *
 * @param hits best first
 * @param shortList whether there are fewer hits than were wanted
 * @param historyUsed events of the history that the bundle knows
 * @param fused whether one model call was the whole search
 * @param narrowed when load made the search narrower than it was asked to be
 * @param logMass of draws from all legal items: the logarithm of the sum of exp(score ÷
 *     temperature) over them
 */
record Answer(
    List<Hit> hits,
    boolean shortList,
    int historyUsed,
    boolean fused,
    @Nullable Narrowed narrowed,
    OptionalDouble logMass) {
  Answer {
    hits = List.copyOf(hits);
  }

  Answer(List<Hit> hits, boolean shortList, int historyUsed) {
    this(hits, shortList, historyUsed, false, null, OptionalDouble.empty());
  }

  /** Beams asked for, and the fewer that were searched with. */
  record Narrowed(int asked, int searched) {}

  /**
   * An item that was found.
   *
   * @param id external id
   * @param score the source's
   * @param semanticId of the beam that ended in it; empty for sources without beams
   * @param unseen whether it was added for the share of unseen items
   */
  record Hit(String id, double score, List<Integer> semanticId, boolean unseen) {
    Hit(String id, double score, List<Integer> semanticId) {
      this(id, score, semanticId, false);
    }
  }
}
