package io.espalier.catalog;

import io.espalier.stores.catalog.CatalogItem;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Gives items their semantic ids in one version of a bundle: the bundle's own for the items that it
 * was trained on. An item that it does not know has none.
 */
final class ItemCoder {
  private final Map<String, List<Integer>> table;
  private final Map<String, List<Integer>> assigned = new HashMap<>();

  /**
   * Codes items.
   *
   * @param table the bundle's own codes, by external id
   */
  ItemCoder(Map<String, List<Integer>> table) {
    this.table = table;
  }

  /** The item's codes; empty when this bundle cannot give it any. */
  Optional<List<Integer>> assign(CatalogItem item) {
    List<Integer> known = assigned.get(item.id());
    return Optional.ofNullable(known != null ? known : table.get(item.id()));
  }

  /** Whether the bundle was trained on an item: nothing has to be known of it. */
  boolean isTrained(String id) {
    return table.containsKey(id);
  }

  /** Takes note of an item's codes. */
  void learn(CatalogItem item, List<Integer> codes) {
    if (!codes.equals(table.get(item.id()))) {
      assigned.put(item.id(), codes);
    }
  }

  /** The item is gone. */
  void forget(String id) {
    assigned.remove(id);
  }

  /** Forgets all items. */
  void clear() {
    assigned.clear();
  }
}
