package io.espalier.retrieval;

import io.espalier.index.ScoredItems;
import io.espalier.index.list.PopularityList;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/** What is popular: spread over the categories for a user without known history. */
final class PopularitySearch implements ItemSearch {
  private final PopularityList list;

  PopularitySearch(PopularityList list) {
    this.list = list;
  }

  @Override
  public Needs needs() {
    return Needs.NOTHING;
  }

  @Override
  public ScoreKind scoreKind() {
    return ScoreKind.POPULARITY;
  }

  @Override
  public ScoredItems search(Question question, int[] history, int k, @Nullable BitSet legal) {
    return history.length == 0 ? list.diversified(k, legal) : list.top(k, legal);
  }
}
