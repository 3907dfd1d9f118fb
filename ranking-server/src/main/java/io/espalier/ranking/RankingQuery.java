package io.espalier.ranking;

import java.util.List;

/**
 * What is to be ranked, and for whom.
 *
 * @param history external ids of the user's events, oldest first
 * @param text the query as it was typed; empty for feeds
 * @param rewrites of the query that were searched beside it
 * @param candidates at least one, none twice
 */
record RankingQuery(
    List<String> history, String text, List<String> rewrites, List<Candidate> candidates) {
  RankingQuery {
    history = List.copyOf(history);
    rewrites = List.copyOf(rewrites);
    candidates = List.copyOf(candidates);
  }

  /**
   * An item that may be an answer.
   *
   * @param itemId external id
   * @param sources what the sources that returned it say of it
   */
  record Candidate(String itemId, List<SourceScore> sources) {
    Candidate {
      sources = List.copyOf(sources);
    }
  }

  /**
   * A retrieval source's score of a candidate.
   *
   * @param source a bundle's name
   * @param score on the source's own scale
   * @param best the highest of the list that the score stands in
   * @param byRewrite whether a rewrite found the item and not the query itself
   */
  record SourceScore(String source, double score, double best, boolean byRewrite) {

    /** The score as a share of the list's best; 0 where the best says nothing. */
    double share() {
      return best > 0 ? score / best : 0;
    }
  }
}
