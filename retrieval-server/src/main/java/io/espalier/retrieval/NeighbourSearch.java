package io.espalier.retrieval;

import io.espalier.index.ScoredItems;
import io.espalier.index.list.NeighbourTable;
import java.util.Arrays;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/** The neighbours of the most recent items, summed; older items count less. */
final class NeighbourSearch implements ItemSearch {
  private final NeighbourTable table;
  private final int history;
  private final double decay;

  /**
   * Searches a table.
   *
   * @param history events that count
   * @param decay what an event counts, relative to the one after it
   */
  NeighbourSearch(NeighbourTable table, int history, double decay) {
    this.table = table;
    this.history = history;
    this.decay = decay;
  }

  @Override
  public Needs needs() {
    return Needs.HISTORY;
  }

  @Override
  public ScoreKind scoreKind() {
    return ScoreKind.SIMILARITY;
  }

  @Override
  public ScoredItems search(Question question, int[] items, int k, @Nullable BitSet legal) {
    int[] recent = Arrays.copyOfRange(items, Math.max(0, items.length - history), items.length);
    return table.search(recent, decay, k, legal);
  }
}
