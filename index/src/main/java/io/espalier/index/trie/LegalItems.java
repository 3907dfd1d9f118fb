package io.espalier.index.trie;

import org.roaringbitmap.RoaringBitmap;

/**
 * The items that a request may end in: leaves of a snapshot, and items that changed since. What a
 * search asks of them comes in two forms, a {@link Constraint} to walk and tables for a graph.
 */
public final class LegalItems {
  private final SemanticIdTrie snapshot;
  private final LegalLeaves ofSnapshot;
  private final SemanticIdTrie delta;
  // The delta's items by their number in its trie, and which of those numbers are legal.
  private final int[] deltaItems;
  private final RoaringBitmap ofDelta;

  LegalItems(
      SemanticIdTrie snapshot,
      LegalLeaves ofSnapshot,
      SemanticIdTrie delta,
      int[] deltaItems,
      RoaringBitmap ofDelta) {
    this.snapshot = snapshot;
    this.ofSnapshot = ofSnapshot;
    this.delta = delta;
    this.deltaItems = deltaItems;
    this.ofDelta = ofDelta;
  }

  /** The constraint of a request. */
  public Constraint constraint() {
    Constraint old = snapshot.constraint(ofSnapshot);
    return deltaItems.length == 0
        ? old
        : new LiveConstraint(old, delta.constraint(delta.legal(ofDelta)), deltaItems);
  }

  /** The snapshot's legal leaves in words of 32, as {@link LegalLeaves#words} has them. */
  public long[] words() {
    return ofSnapshot.words();
  }

  /** Legal items that changed since the snapshot. */
  public int changed() {
    return ofDelta.getCardinality();
  }

  /** Whether every item that changed since the snapshot, and has a semantic id, is legal. */
  public boolean allChanged() {
    return changed() == deltaItems.length;
  }

  /**
   * The legal items that changed since the snapshot, as a graph reads them.
   *
   * @param nodes the snapshot's
   * @param room rows of a level, at least {@link #changed}
   */
  public DeltaNodes delta(TrieNodes nodes, int room) {
    if (room < changed()) {
      throw new IllegalArgumentException(
          "room: " + room + " (expected: >= " + changed() + ", the items)");
    }
    return ofDelta.isEmpty()
        ? DeltaNodes.none(snapshot.levels(), room)
        : DeltaNodes.of(delta.constraint(delta.legal(ofDelta)), deltaItems, nodes, room);
  }
}
