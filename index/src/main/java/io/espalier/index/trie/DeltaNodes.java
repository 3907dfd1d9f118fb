package io.espalier.index.trie;

import java.util.Arrays;

/**
 * What was added since a snapshot and is legal, as a fused graph reads it: by level, rows of nodes,
 * padded with −1 (docs/bundles.md, "Fused").
 */
public final class DeltaNodes {
  private final int room;
  private final long[] parents;
  private final long[] codes;
  private final long[] twins;
  private final long[] items;

  private DeltaNodes(int levels, int room) {
    this.room = room;
    this.parents = new long[Math.multiplyExact(levels, room)];
    this.codes = new long[parents.length];
    this.twins = new long[parents.length];
    this.items = new long[room];
    for (long[] rows : new long[][] {parents, codes, twins, items}) {
      Arrays.fill(rows, -1);
    }
  }

  static DeltaNodes none(int levels, int room) {
    return new DeltaNodes(levels, room);
  }

  /**
   * The nodes under a constraint's root.
   *
   * @param itemOf the item by its number in the constraint
   * @param room at least as many as there are legal items
   */
  static DeltaNodes of(Constraint delta, int[] itemOf, TrieNodes snapshot, int room) {
    int levels = delta.levels();
    DeltaNodes nodes = new DeltaNodes(levels, room);
    long[] above = {delta.root()};
    int size = 1;
    Continuations next = new Continuations();
    for (int level = 0; level < levels; level++) {
      long[] here = new long[room];
      int row = level * room;
      int found = 0;
      for (int parent = 0; parent < size; parent++) {
        int node = level == 0 ? 0 : (int) nodes.twins[row - room + parent];
        delta.expand(level, above[parent], next);
        for (int i = 0; i < next.size(); i++) {
          nodes.parents[row + found] = parent;
          nodes.codes[row + found] = next.code(i);
          nodes.twins[row + found] = snapshot.child(node, next.code(i));
          here[found++] = next.state(i);
        }
      }
      above = here;
      size = found;
    }
    for (int row = 0; row < size; row++) {
      nodes.items[row] = itemOf[delta.firstItem(above[row])];
    }
    return nodes;
  }

  /** Rows of a level, padding among them. */
  public int room() {
    return room;
  }

  /** {@code levels × room}: the row of the parent in the level above, 0 at the first level. */
  public long[] parents() {
    return parents;
  }

  /** {@code levels × room}: the last code of the node's prefix. */
  public long[] codes() {
    return codes;
  }

  /** {@code levels × room}: the snapshot's node of the same prefix, −1 where it has none. */
  public long[] twins() {
    return twins;
  }

  /** {@code room}: the lowest legal item under each node of the last level. */
  public long[] items() {
    return items;
  }
}
