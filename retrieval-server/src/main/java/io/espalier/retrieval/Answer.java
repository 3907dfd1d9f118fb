package io.espalier.retrieval;

import java.util.List;

/**
 * What a source found.
 *
 * @param hits best first
 * @param shortList whether there are fewer hits than were wanted
 * @param historyUsed events of the history that the bundle knows
 * @param fused whether one model call was the whole search
 */
record Answer(List<Hit> hits, boolean shortList, int historyUsed, boolean fused) {
  Answer {
    hits = List.copyOf(hits);
  }

  Answer(List<Hit> hits, boolean shortList, int historyUsed) {
    this(hits, shortList, historyUsed, false);
  }

  /**
   * An item that was found.
   *
   * @param id external id
   * @param score the source's
   * @param semanticId of the beam that ended in it; empty for sources without beams
   */
  record Hit(String id, double score, List<Integer> semanticId) {}
}
