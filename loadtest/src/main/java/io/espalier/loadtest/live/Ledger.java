package io.espalier.loadtest.live;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.TreeMap;

/** What each item of a catalogue was at each offset, by the writer's acknowledgements. */
final class Ledger {
  private final int items;
  private final Map<Integer, List<State>> changes = new HashMap<>();
  // The offset that each return went back to, by its own.
  private final TreeMap<Long, Long> returns = new TreeMap<>();

  /** From an offset on; no price means that the item is gone. */
  private record State(long offset, OptionalDouble price) {}

  /** A catalogue whose items are all there at first, as {@link SyntheticCatalogue} prices them. */
  Ledger(int items) {
    this.items = items;
  }

  /** Takes note of a change; in any order. */
  synchronized void changed(int item, long offset, OptionalDouble price) {
    changes.computeIfAbsent(item, i -> new ArrayList<>()).add(new State(offset, price));
  }

  /** From {@code offset} on the catalogue was again what it had been at {@code to}. */
  synchronized void rolledBack(long offset, long to) {
    returns.put(offset, to);
  }

  /** An item's price at an offset; empty when it is not there. */
  synchronized OptionalDouble price(int item, long offset) {
    Map.Entry<Long, Long> lastReturn = returns.floorEntry(offset);
    long since = lastReturn == null ? 0 : lastReturn.getKey();
    Optional<State> last =
        changes.getOrDefault(item, List.of()).stream()
            .filter(state -> state.offset() > since && state.offset() <= offset)
            .max(Comparator.comparingLong(State::offset));
    if (last.isPresent()) {
      return last.get().price();
    }
    if (lastReturn != null) {
      return price(item, lastReturn.getValue());
    }
    return item >= 0 && item < items
        ? OptionalDouble.of(SyntheticCatalogue.price(item, 0))
        : OptionalDouble.empty();
  }
}
