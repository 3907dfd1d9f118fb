package io.espalier.ranking;

import java.util.List;

/**
 * Scores candidates, as one bundle does. Safe for use by many threads.
 *
 * <p>A candidate's score depends on the request and on that candidate, never on the others or on
 * their order.
 */
interface Ranker extends AutoCloseable {

  /** Scores every candidate; the model calls are made through {@code calls}. */
  Ranking rank(RankingQuery query, ModelCalls calls);

  /** A request that this ranker can answer, for its warm-up. */
  RankingQuery example();

  /** Models that must be ready for this ranker to serve. */
  List<String> models();

  @Override
  void close();
}
