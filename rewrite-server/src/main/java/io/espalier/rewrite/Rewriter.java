package io.espalier.rewrite;

import java.util.List;

/** Finds other words for a query, as one bundle does. Safe for use by many threads. */
interface Rewriter extends AutoCloseable {

  /**
   * Rewrites of a query, best first: never the query itself, none twice.
   *
   * @param normalisedQuery not empty
   * @param max at least 1
   * @param deadlineNanos the {@link System#nanoTime()} by which the caller wants an answer
   */
  Rewrites rewrite(String normalisedQuery, int max, long deadlineNanos);

  /** Makes the first calls of its models. */
  void warm();

  /** Models that must be ready for this rewriter to serve. */
  List<String> models();

  @Override
  void close();
}
