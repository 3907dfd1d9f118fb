package io.espalier.bundles;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/**
 * The external ids of a bundle's items: an item's position here is its row in every table and
 * vector file of the bundle.
 */
public final class ItemOrder {
  private final List<String> ids;
  private final Map<String, Integer> indexes;

  private ItemOrder(List<String> ids, Map<String, Integer> indexes) {
    this.ids = ids;
    this.indexes = indexes;
  }

  /** An order of these ids, each once. */
  public static ItemOrder of(List<String> ids) {
    Map<String, Integer> indexes = HashMap.newHashMap(ids.size());
    for (int i = 0; i < ids.size(); i++) {
      Integer before = indexes.putIfAbsent(ids.get(i), i);
      if (before != null || ids.get(i).isEmpty()) {
        throw new BundleException(
            "items: line " + (i + 1) + ": '" + ids.get(i) + "' (expected: an id, once)");
      }
    }
    return new ItemOrder(List.copyOf(ids), indexes);
  }

  static ItemOrder read(Path file) {
    try {
      return of(Files.readAllLines(file));
    } catch (IOException e) {
      throw new BundleException(file + ": cannot be read", e);
    }
  }

  public int size() {
    return ids.size();
  }

  /** The external id at an index. */
  public String id(int index) {
    return ids.get(index);
  }

  /** All external ids, in order. */
  public List<String> ids() {
    return ids;
  }

  /** The index of an external id; empty when the bundle does not know the item. */
  public OptionalInt index(String id) {
    Integer index = indexes.get(id);
    return index == null ? OptionalInt.empty() : OptionalInt.of(index);
  }
}
