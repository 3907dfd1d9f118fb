package io.espalier.loadtest.live;

import io.espalier.loadtest.driver.Outcome;
import io.espalier.retrieval.v1.Candidate;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.retrieval.v1.RetrieveResponse;
import java.util.HashSet;
import java.util.OptionalDouble;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.Collectors;

/**
 * Every answer of a run, for a look at each item once the run is over: what was changed at an
 * answer's offset is known by then.
 */
final class Answers {
  private final SyntheticCatalogue catalogue;
  private final Queue<Answer> answers = new ConcurrentLinkedQueue<>();

  /** Item numbers, best first; one with another semantic id than its own is −1. */
  private static final class Answer {
    final RetrieveRequest request;
    final long offset;
    final int[] items;

    Answer(RetrieveRequest request, long offset, int[] items) {
      this.request = request;
      this.offset = offset;
      this.items = items;
    }
  }

  /**
   * What the items were.
   *
   * @param items how many were returned
   * @param illegal gone or filtered out at the answer's offset, excluded, twice in a list, or under
   *     another semantic id than their own
   * @param shortLists answers of fewer items than were asked for
   */
  record Verdict(long items, long illegal, long shortLists) {}

  Answers(SyntheticCatalogue catalogue) {
    this.catalogue = catalogue;
  }

  /** Keeps what must be known of an answer. */
  Outcome judge(RetrieveRequest request, RetrieveResponse response) {
    int[] items =
        response.getCandidatesList().stream()
            .mapToInt(candidate -> numberUnderItsOwnId(candidate, request.getBundleVersion()))
            .toArray();
    answers.add(new Answer(request, response.getCatalogOffset(), items));
    return Outcome.OK;
  }

  private int numberUnderItsOwnId(Candidate candidate, int version) {
    int item = SyntheticCatalogue.number(candidate.getItemId());
    return candidate.getSemanticIdList().equals(catalogue.semanticId(version, item)) ? item : -1;
  }

  /** Looks at all items, after every change has been acknowledged. */
  Verdict check(Ledger ledger) {
    long items = 0;
    long illegal = 0;
    long shortLists = 0;
    for (Answer answer : answers) {
      Set<Integer> barred =
          answer.request.getExcludeList().stream()
              .map(SyntheticCatalogue::number)
              .collect(Collectors.toCollection(HashSet::new));
      double mostPrice =
          answer.request.hasFilter()
              ? answer.request.getFilter().getRange().getMax()
              : Double.POSITIVE_INFINITY;
      for (int item : answer.items) {
        OptionalDouble price = ledger.price(item, answer.offset);
        items++;
        // An item may stand in a list once.
        if (!barred.add(item) || price.isEmpty() || price.getAsDouble() > mostPrice) {
          illegal++;
        }
      }
      shortLists += answer.items.length < answer.request.getK() ? 1 : 0;
    }
    return new Verdict(items, illegal, shortLists);
  }
}
