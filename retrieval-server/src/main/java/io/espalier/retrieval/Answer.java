package io.espalier.retrieval;

import java.util.List;

/**
 * What a source found.
 *
 * @param hits best first
 * @param shortList whether there are fewer hits than were wanted
 * @param historyUsed events of the history that the bundle knows
 */
record Answer(List<Hit> hits, boolean shortList, int historyUsed) {
  Answer {
    hits = List.copyOf(hits);
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
