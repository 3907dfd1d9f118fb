package io.espalier.rewrite;

import io.espalier.rewrite.RewriteMetrics.Outcome;
import java.util.List;

/**
 * The rewrites of Agent4Ranking (TOIS 2025, arXiv:2312.15450): a query in the words of four
 * personas, from a table that was made offline. Its ranker does not exist here yet; until then they
 * are a recall source.
 */
final class PersonaRewriter implements Rewriter {
  private final RewriteTable table;
  private final RewriteMetrics metrics;

  PersonaRewriter(RewriteTable table, RewriteMetrics metrics) {
    this.table = table;
    this.metrics = metrics;
  }

  @Override
  public Rewrites rewrite(String normalisedQuery, int max, long deadlineNanos) {
    List<Rewrite> rows = table.get(normalisedQuery);
    metrics.count(rows.isEmpty() ? Outcome.NONE : Outcome.TABLE);
    return new Rewrites(normalisedQuery, Rewrites.distinct(normalisedQuery, rows, max), false);
  }

  @Override
  public void warm() {
    rewrite("warm up", 1, System.nanoTime());
  }

  @Override
  public List<String> models() {
    return List.of();
  }

  @Override
  public void close() {}
}
