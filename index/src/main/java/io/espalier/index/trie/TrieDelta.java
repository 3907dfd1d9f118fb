package io.espalier.index.trie;

/**
 * What changed since a trie was built: items whose old leaf no longer counts, and items with a new
 * semantic id. Immutable; a few ten thousand items at most, since it is built anew at each change.
 *
 * <p>An item that is updated keeps its index, so that ties still go where a trie built afresh would
 * send them.
 */
public final class TrieDelta {
  private final SemanticIdTrie snapshot;
  private final int[] removedLeaves;
  private final int[] added;
  private final SemanticIdTrie trie;

  /**
   * Makes a delta.
   *
   * @param snapshot the trie that changed
   * @param removed indices of items that are gone, or that have another semantic id now
   * @param added indices of items with a new semantic id, ascending
   * @param codes a semantic id for each of {@code added}, of as many codes as the snapshot's
   */
  public TrieDelta(SemanticIdTrie snapshot, int[] removed, int[] added, int[] codes) {
    for (int i = 1; i < added.length; i++) {
      if (added[i] <= added[i - 1]) {
        throw new IllegalArgumentException("added[" + i + "]: " + added[i] + " (expected: rising)");
      }
    }
    this.snapshot = snapshot;
    this.removedLeaves = snapshot.leavesOf(removed);
    this.added = added.clone();
    this.trie = SemanticIdTrie.build(snapshot.levels(), codes);
  }

  /** The delta's own trie; its items are numbers into {@link #item}. */
  public SemanticIdTrie trie() {
    return trie;
  }

  /** The index of an item of {@link #trie}. */
  public int item(int number) {
    return added[number];
  }

  /**
   * The constraint of the snapshot and this delta.
   *
   * @param ofSnapshot the leaves of the snapshot that a request allows; those of removed items are
   *     taken out here
   * @param ofDelta the leaves of {@link #trie} that the request allows
   */
  public Constraint constraint(LegalLeaves ofSnapshot, LegalLeaves ofDelta) {
    Constraint old = snapshot.constraint(ofSnapshot.withoutLeaves(removedLeaves));
    return trie.size() == 0 ? old : new LiveConstraint(old, trie.constraint(ofDelta), added);
  }
}
