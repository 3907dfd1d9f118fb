package io.espalier.index.live;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;

/**
 * What items are that changed since a snapshot, by index, ascending. Immutable: a batch of changes
 * copies it.
 */
public final class IndexedDelta<V> {
  private final int[] indices;
  private final List<V> values;

  private IndexedDelta(int[] indices, List<V> values) {
    this.indices = indices;
    this.values = values;
  }

  /** Nothing changed. */
  public static <V> IndexedDelta<V> none() {
    return new IndexedDelta<>(new int[0], List.of());
  }

  /** The same after some more changes: by index, what the item is from now on; empty for none. */
  public IndexedDelta<V> after(SortedMap<Integer, Optional<V>> batch) {
    int[] now = new int[indices.length + batch.size()];
    List<V> nowValues = new ArrayList<>(now.length);
    int size = 0;
    int from = 0;
    for (Map.Entry<Integer, Optional<V>> change : batch.entrySet()) {
      int at = Arrays.binarySearch(indices, from, indices.length, change.getKey());
      int to = at < 0 ? -at - 1 : at;
      System.arraycopy(indices, from, now, size, to - from);
      nowValues.addAll(values.subList(from, to));
      size += to - from;
      from = at < 0 ? to : to + 1;
      if (change.getValue().isPresent()) {
        now[size++] = change.getKey();
        nowValues.add(change.getValue().get());
      }
    }
    System.arraycopy(indices, from, now, size, indices.length - from);
    nowValues.addAll(values.subList(from, indices.length));
    return new IndexedDelta<>(Arrays.copyOf(now, nowValues.size()), nowValues);
  }

  /** The items' indices, ascending; not to be changed. */
  public int[] indices() {
    return indices;
  }

  /** What the items are, in the order of their indices; not to be changed. */
  public List<V> values() {
    return values;
  }

  /** The number of an item in that order; negative when it is not among them. */
  public int find(int index) {
    return Arrays.binarySearch(indices, index);
  }
}
