package io.espalier.router;

import io.espalier.catalog.v1.ScoreKind;
import io.espalier.retrieval.v1.Candidate;
import io.espalier.retrieval.v1.RetrieveResponse;

/**
 * A list that one source returned for the query, the history, or one rewrite.
 *
 * <p>It does not hold the list itself: items point here for as long as they are pinned.
 *
 * @param source its position among the route's sources
 * @param bundle the source's name
 * @param rewrite the rewrite that was searched; empty for the query itself or a feed
 * @param weight of the list in reciprocal-rank fusion
 * @param kind of its scores
 * @param bestScore 0 for an empty list
 */
record SourceList(
    int source, String bundle, String rewrite, double weight, ScoreKind kind, double bestScore) {

  boolean byRewrite() {
    return !rewrite.isEmpty();
  }

  /** A source's answer: the list's description and the list. */
  record Retrieved(SourceList list, RetrieveResponse response) {
    static Retrieved of(
        int source, String bundle, String rewrite, double weight, RetrieveResponse response) {
      // Not the first one's: draws come in the order drawn.
      double best =
          response.getCandidatesList().stream().mapToDouble(Candidate::getScore).max().orElse(0);
      return new Retrieved(
          new SourceList(source, bundle, rewrite, weight, response.getScoreKind(), best), response);
    }
  }
}
