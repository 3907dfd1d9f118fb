package io.espalier.catalog;

import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * How far the first codes of new items are from those of the items that a bundle was trained on.
 *
 * <p>The population stability index of the two distributions, Σ (p − q) ln(p / q). As many items as
 * there are codes are added to the new ones, spread as in training, so that codes that no new item
 * has yet count for little; and what chance alone would give is taken off. So it is about 0 where
 * nothing drifts, however few the items are, and it grows with their number where something does.
 */
final class CodeDrift {
  private final Map<Integer, Integer> trained = new HashMap<>();
  private final Map<Integer, Integer> assigned = new HashMap<>();
  private final int trainedItems;
  private int items;

  /**
   * The drift of a bundle.
   *
   * @param items new items that have an id of it
   * @param index the stability index without what chance gives; above 0.1 is worth a look
   */
  record Figures(int items, double index) {}

  /** Drift from these ids. */
  CodeDrift(Collection<List<Integer>> ids) {
    ids.forEach(codes -> trained.merge(codes.getFirst(), 1, Integer::sum));
    this.trainedItems = ids.size();
  }

  /** One more item has this id. */
  void add(List<Integer> codes) {
    assigned.merge(codes.getFirst(), 1, Integer::sum);
    items++;
  }

  /** One item less has it. */
  void remove(List<Integer> codes) {
    assigned.computeIfPresent(codes.getFirst(), (code, n) -> n == 1 ? null : n - 1);
    items--;
  }

  /** No item has an id. */
  void clear() {
    assigned.clear();
    items = 0;
  }

  Figures figures() {
    double codes = trained.size();
    double all = items + codes;
    double index = 0;
    for (Map.Entry<Integer, Integer> entry : trained.entrySet()) {
      double then = (double) entry.getValue() / trainedItems;
      double now = (assigned.getOrDefault(entry.getKey(), 0) + codes * then) / all;
      index += (now - then) * Math.log(now / then);
    }
    // A draw of n items has variance q (1 − q) n / (n + codes)² around each share q.
    double chance = items == 0 ? 0 : (codes - 1) * items / (all * all);
    return new Figures(items, index - chance);
  }
}
