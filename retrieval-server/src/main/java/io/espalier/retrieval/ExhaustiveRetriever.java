package io.espalier.retrieval;

import io.espalier.index.ScoredItems;
import io.espalier.retrieval.Answer.Hit;
import io.espalier.retrieval.Verdict.Fate;
import io.espalier.server.RequestException;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A source that looks at every legal item: nothing is pruned, an item is only outranked. */
final class ExhaustiveRetriever implements Retriever {
  private final SourceItems items;
  private final ItemSearch search;

  ExhaustiveRetriever(SourceItems items, ItemSearch search) {
    this.items = items;
    this.search = search;
  }

  @Override
  public ScoreKind scoreKind() {
    return search.scoreKind();
  }

  @Override
  public Answer retrieve(Question question) {
    require(question);
    int[] history = items.known(question.history());
    if (lacksHistory(history)) {
      return new Answer(List.of(), true, 0);
    }
    ScoredItems found = search.search(question, history, question.k(), items.legal(question));
    List<Hit> hits = new ArrayList<>(found.size());
    for (int rank = 0; rank < found.size(); rank++) {
      hits.add(new Hit(items.id(found.item(rank)), found.score(rank), List.of()));
    }
    return new Answer(hits, hits.size() < question.k(), history.length);
  }

  @Override
  public Verdict explain(Question question, String id) {
    require(question);
    Optional<Verdict> illegal = items.illegal(question, id);
    if (illegal.isPresent()) {
      return illegal.get();
    }
    int[] history = items.known(question.history());
    if (lacksHistory(history)) {
      return Verdict.of(Fate.NOT_RUN, "the bundle knows no item of the history");
    }
    @Nullable BitSet legal = items.legal(question);
    ScoredItems all = search.search(question, history, Math.max(1, items.size()), legal);
    int item = items.indexOf(id);
    for (int rank = 0; rank < all.size(); rank++) {
      if (all.item(rank) == item) {
        return Verdict.ranked(rank, question.k());
      }
    }
    return new Verdict(Fate.OUTRANKED, "the item does not match", 0, all.size());
  }

  private void require(Question question) {
    switch (search.needs()) {
      case HISTORY -> {
        if (question.history().isEmpty()) {
          throw RequestException.invalidArgument(
              "history: empty (expected: at least one event for this source)");
        }
      }
      case QUERY -> {
        if (question.query().isBlank()) {
          throw RequestException.invalidArgument("query: empty (expected: text for this source)");
        }
      }
      case NOTHING -> {}
    }
  }

  private boolean lacksHistory(int[] history) {
    return search.needs() == ItemSearch.Needs.HISTORY && history.length == 0;
  }
}
