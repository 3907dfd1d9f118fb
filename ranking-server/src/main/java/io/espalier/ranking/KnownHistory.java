package io.espalier.ranking;

import io.espalier.bundles.ItemOrder;
import java.util.ArrayList;
import java.util.List;

/** The part of a history that a bundle's models can read. */
final class KnownHistory {
  private KnownHistory() {}

  /** The most recent {@code length} items that the bundle knows, oldest first. */
  static List<String> of(List<String> history, ItemOrder items, int length) {
    List<String> known = new ArrayList<>(Math.min(length, history.size()));
    for (int i = history.size() - 1; i >= 0 && known.size() < length; i--) {
      if (items.index(history.get(i)).isPresent()) {
        known.addFirst(history.get(i));
      }
    }
    return known;
  }
}
