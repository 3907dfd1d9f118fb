package io.espalier.cli.eval;

import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;

/**
 * How much of a catalogue its lists reach, and how unevenly they show it.
 *
 * <p>What is reached is the catalogue coverage of Ge, Delgado-Battenfeld and Jannach (2010), over
 * the lists that were seen: an item that none holds may still be reached by another request. Lists
 * may be added from several threads.
 */
final class Exposure {
  /** Places of a list that count as shown. */
  static final int SHOWN = 10;

  private final Map<String, LongAdder> shown = new ConcurrentHashMap<>();
  private final Set<String> listed = ConcurrentHashMap.newKeySet();

  /**
   * Shares of a catalogue.
   *
   * @param shown of its items, those among the first {@link #SHOWN} of some list
   * @param listed of its items, those anywhere in some list
   * @param gini Gini's coefficient of how often each item was shown: 0 when all were shown as
   *     often, near 1 when one had every place
   * @param topPercent of the shown places, those that went to the hundredth of the items that was
   *     shown most
   */
  record Shares(double shown, double listed, double gini, double topPercent) {}

  /** One more list, best first. */
  void add(List<String> ranked) {
    ranked.stream().limit(SHOWN).forEach(this::show);
    listed.addAll(ranked);
  }

  /** The item has one more shown place. */
  void show(String item) {
    shown.computeIfAbsent(item, id -> new LongAdder()).increment();
    listed.add(item);
  }

  /** What was added so far, of this catalogue, which holds an item; other items do not count. */
  Shares of(Collection<String> catalogue) {
    long[] places =
        catalogue.stream()
            .map(shown::get)
            .mapToLong(count -> count == null ? 0 : count.sum())
            .sorted()
            .toArray();
    int items = places.length;
    double all = Arrays.stream(places).sum();
    double weighted = 0;
    for (int i = 0; i < items; i++) {
      weighted += (i + 1.0) * places[i];
    }
    long top = Arrays.stream(places, items - (items + 99) / 100, items).sum();
    return new Shares(
        (double) Arrays.stream(places).filter(count -> count > 0).count() / items,
        (double) catalogue.stream().filter(listed::contains).count() / items,
        all == 0 ? 0 : 2 * weighted / (items * all) - (items + 1.0) / items,
        all == 0 ? 0 : top / all);
  }
}
