package io.espalier.router;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * How alike two ranked lists are.
 *
 * @param overlap items that are among the first k of both, of the most that could be; 0 to 1
 * @param correlation Kendall's tau of the ranks of the items that both have, −1 to 1; NaN for fewer
 *     than two
 * @param scoreDifference mean of the absolute differences of those items' scores; NaN for none
 * @param identical whether the first k are the same in the same order
 */
public record ListComparison(
    double overlap, double correlation, double scoreDifference, boolean identical) {
  // Pairs are compared one by one.
  private static final int MOST_RANKED = 200;

  /** A list: items, best first, none twice, and their scores. */
  public record Ranked(List<String> items, List<Double> scores) {
    public Ranked {
      if (items.size() != scores.size()) {
        throw new IllegalArgumentException(
            "scores: " + scores.size() + " (expected: " + items.size() + ")");
      }
    }

    private List<String> first(int k) {
      return items.subList(0, Math.min(k, items.size()));
    }
  }

  /**
   * Compares two lists.
   *
   * @param k at least 1
   */
  public static ListComparison of(Ranked one, Ranked other, int k) {
    List<String> first = one.first(k);
    List<String> otherFirst = other.first(k);
    Set<String> both = new HashSet<>(first);
    both.retainAll(new HashSet<>(otherFirst));
    int most = Math.max(first.size(), otherFirst.size());
    Map<String, Integer> ranks = new HashMap<>();
    for (int rank = 0; rank < Math.min(MOST_RANKED, other.items().size()); rank++) {
      ranks.put(other.items().get(rank), rank);
    }
    List<Integer> inBoth =
        one.first(MOST_RANKED).stream().filter(ranks::containsKey).map(ranks::get).toList();
    double difference = 0;
    int rank = 0;
    for (String item : one.first(MOST_RANKED)) {
      Integer there = ranks.get(item);
      if (there != null) {
        difference += Math.abs(one.scores().get(rank) - other.scores().get(there));
      }
      rank++;
    }
    return new ListComparison(
        most == 0 ? 1 : both.size() / (double) most,
        tau(inBoth),
        inBoth.isEmpty() ? Double.NaN : difference / inBoth.size(),
        first.equals(otherFirst));
  }

  /** Of ranks in the order of the other list. */
  private static double tau(List<Integer> ranks) {
    int n = ranks.size();
    if (n < 2) {
      return Double.NaN;
    }
    long concordant = 0;
    for (int i = 0; i < n; i++) {
      for (int j = i + 1; j < n; j++) {
        concordant += ranks.get(i) < ranks.get(j) ? 1 : -1;
      }
    }
    return concordant / (n * (n - 1L) / 2.0);
  }
}
