package io.espalier.cli.eval;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What one ranked list is worth.
 *
 * <p>NDCG is that of Järvelin and Kekäläinen (2002) with gain {@code 2^grade − 1} and discount
 * {@code 1 / log2(rank + 2)}, rank from 0; an item without a grade counts as grade 0.
 */
final class RankingFigures {
  private RankingFigures() {}

  /**
   * 1 when {@code target} is among the first {@code k}, else 0: recall with a single relevant item.
   */
  static double hit(List<String> ranked, String target, int k) {
    int rank = ranked.indexOf(target);
    return rank >= 0 && rank < k ? 1 : 0;
  }

  /** NDCG with a single relevant item: the discount at its rank, 0 from rank {@code k}. */
  static double ndcgOfOne(List<String> ranked, String target, int k) {
    int rank = ranked.indexOf(target);
    return rank >= 0 && rank < k ? discount(rank) : 0;
  }

  /**
   * Share of the items with a positive grade that are among the first {@code k}; there must be at
   * least one.
   */
  static double recall(List<String> ranked, Map<String, Integer> grades, int k) {
    long relevant = grades.values().stream().filter(g -> g > 0).count();
    long found = ranked.stream().limit(k).filter(id -> grades.getOrDefault(id, 0) > 0).count();
    return (double) found / relevant;
  }

  /**
   * NDCG at {@code k}, the ideal taken over all graded items; there must be at least one with a
   * positive grade.
   */
  static double ndcg(List<String> ranked, Map<String, Integer> grades, int k) {
    double dcg = 0;
    for (int rank = 0; rank < Math.min(k, ranked.size()); rank++) {
      dcg += gain(grades.getOrDefault(ranked.get(rank), 0)) * discount(rank);
    }
    return dcg / idealDcg(grades.values(), k);
  }

  /**
   * NDCG at {@code k} of the list without its ungraded items: what the judges' own items are worth.
   */
  static double ndcgOfJudged(List<String> ranked, Map<String, Integer> grades, int k) {
    return ndcg(ranked.stream().filter(grades::containsKey).toList(), grades, k);
  }

  /** Share of the first {@code k} places that hold a judged item; an empty list has none. */
  static double judgedShare(List<String> ranked, Set<String> judged, int k) {
    long top = Math.min(k, ranked.size());
    return top == 0 ? 0 : (double) ranked.stream().limit(k).filter(judged::contains).count() / top;
  }

  private static double idealDcg(Collection<Integer> grades, int k) {
    int[] sorted = grades.stream().mapToInt(Integer::intValue).sorted().toArray();
    double dcg = 0;
    for (int rank = 0; rank < Math.min(k, sorted.length); rank++) {
      dcg += gain(sorted[sorted.length - 1 - rank]) * discount(rank);
    }
    return dcg;
  }

  private static double gain(int grade) {
    return Math.pow(2, grade) - 1;
  }

  private static double discount(int rank) {
    return Math.log(2) / Math.log(rank + 2.0);
  }
}
