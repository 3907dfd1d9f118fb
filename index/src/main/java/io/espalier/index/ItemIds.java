package io.espalier.index;

import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** External ids in a fixed order: an item's position is its index. */
public final class ItemIds {
  private final String[] ids;
  private final Map<String, Integer> indices;

  private ItemIds(String[] ids) {
    this.ids = ids;
    this.indices = HashMap.newHashMap(ids.length);
    for (int i = 0; i < ids.length; i++) {
      Integer earlier = indices.putIfAbsent(ids[i], i);
      if (earlier != null) {
        throw new IllegalArgumentException(
            "id: " + ids[i] + " at " + i + " (expected: not the id of item " + earlier + ")");
      }
    }
  }

  /**
   * Numbers ids in the order of the list.
   *
   * @throws IllegalArgumentException when an id occurs twice
   */
  public static ItemIds of(List<String> ids) {
    return new ItemIds(ids.toArray(String[]::new));
  }

  public int size() {
    return ids.length;
  }

  public String id(int index) {
    return ids[index];
  }

  /** The index of an id; −1 when there is none. */
  public int indexOf(String id) {
    return indices.getOrDefault(id, -1);
  }
}
