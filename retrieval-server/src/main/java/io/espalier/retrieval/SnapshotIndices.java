package io.espalier.retrieval;

import io.espalier.index.ItemIds;
import org.jspecify.annotations.Nullable;

/** Where the items of a source stand in a snapshot of the catalogue. Immutable. */
final class SnapshotIndices {
  // By the source's index: the snapshot's, -1 for none; null when they are the same.
  private final int @Nullable [] indices;

  private SnapshotIndices(int @Nullable [] indices) {
    this.indices = indices;
  }

  static SnapshotIndices of(ItemIds source, ItemIds snapshot) {
    int[] indices = new int[source.size()];
    boolean same = source.size() == snapshot.size();
    for (int item = 0; item < indices.length; item++) {
      indices[item] = snapshot.indexOf(source, item);
      same &= indices[item] == item;
    }
    return new SnapshotIndices(same ? null : indices);
  }

  /** Whether the source and the snapshot number the same items alike. */
  boolean same() {
    return indices == null;
  }

  /** The snapshot's index of an item of the source; −1 when it has none. */
  int of(int item) {
    return indices == null ? item : indices[item];
  }
}
