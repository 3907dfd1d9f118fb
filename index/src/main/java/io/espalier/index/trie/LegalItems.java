package io.espalier.index.trie;

import java.util.Arrays;
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
  private final LegalLeaves deltaLeaves;

  private LegalItems(
      SemanticIdTrie snapshot,
      LegalLeaves ofSnapshot,
      SemanticIdTrie delta,
      int[] deltaItems,
      RoaringBitmap ofDelta,
      LegalLeaves deltaLeaves) {
    this.snapshot = snapshot;
    this.ofSnapshot = ofSnapshot;
    this.delta = delta;
    this.deltaItems = deltaItems;
    this.ofDelta = ofDelta;
    this.deltaLeaves = deltaLeaves;
  }

  static LegalItems of(
      SemanticIdTrie snapshot,
      LegalLeaves ofSnapshot,
      SemanticIdTrie delta,
      int[] deltaItems,
      RoaringBitmap ofDelta) {
    boolean all = ofDelta.getCardinality() == deltaItems.length;
    LegalLeaves leaves = all ? delta.legal() : delta.legal(ofDelta);
    return new LegalItems(snapshot, ofSnapshot, delta, deltaItems, ofDelta, leaves);
  }

  /** These items without some others, by index; for a few, since each is looked for by itself. */
  public LegalItems without(int[] excluded) {
    if (excluded.length == 0) {
      return this;
    }
    int[] numbers =
        Arrays.stream(excluded)
            .map(item -> Arrays.binarySearch(deltaItems, item))
            .filter(number -> number >= 0)
            .toArray();
    RoaringBitmap left = ofDelta;
    if (numbers.length > 0) {
      left = RoaringBitmap.andNot(ofDelta, RoaringBitmap.bitmapOfUnordered(numbers));
    }
    return new LegalItems(
        snapshot,
        ofSnapshot.without(excluded),
        delta,
        deltaItems,
        left,
        deltaLeaves.without(numbers));
  }

  /** The constraint of a request. */
  public Constraint constraint() {
    Constraint old = snapshot.constraint(ofSnapshot);
    return deltaItems.length == 0
        ? old
        : new LiveConstraint(old, delta.constraint(deltaLeaves), deltaItems);
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
        : DeltaNodes.of(delta.constraint(deltaLeaves), deltaItems, nodes, room);
  }
}
