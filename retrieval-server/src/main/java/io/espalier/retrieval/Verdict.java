package io.espalier.retrieval;

import java.util.Arrays;

/**
 * What a source did with one item.
 *
 * @param fate what happened
 * @param detail in words
 * @param level of a pruned prefix, from 0
 * @param rank of a pruned prefix among its level's candidates, or of the item in the source's list,
 *     from 0
 */
record Verdict(Fate fate, String detail, int level, int rank) {
  enum Fate {
    UNKNOWN_ITEM,
    NOT_INDEXED,
    NOT_RUN,
    FILTERED,
    PRUNED,
    OUTRANKED,
    KEPT
  }

  static Verdict of(Fate fate, String detail) {
    return new Verdict(fate, detail, 0, 0);
  }

  /**
   * The fate of an item whose semantic id left the beam search.
   *
   * @param why what follows the place in words
   */
  static Verdict pruned(int[] semanticId, BeamSearch.Pruned where, String why) {
    String prefix = Arrays.toString(Arrays.copyOf(semanticId, where.level() + 1));
    return new Verdict(
        Fate.PRUNED,
        "prefix %s ranked %d at level %d".formatted(prefix, where.rank(), where.level()) + why,
        where.level(),
        where.rank());
  }

  /** The fate of an item at a place of the source's order, of which k items are taken. */
  static Verdict ranked(int rank, int k) {
    return rank < k
        ? new Verdict(Fate.KEPT, "rank " + rank + " of " + k, 0, rank)
        : new Verdict(Fate.OUTRANKED, "rank " + rank + ", " + k + " were taken", 0, rank);
  }
}
