package io.espalier.index.trie;

import io.espalier.index.live.IndexedDelta;
import io.espalier.index.live.Renumbering;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import org.roaringbitmap.PeekableIntIterator;
import org.roaringbitmap.RoaringBitmap;

/**
 * The semantic ids of a catalogue at one offset: a snapshot's trie, and a small one beside it of
 * the items that changed since. Immutable.
 *
 * <p>An item that changed in any way leaves the snapshot's part for the delta's and keeps its
 * index, so that what a filter makes of the snapshot stays true, and ties go where a trie built
 * afresh would send them. The delta is built anew at each batch of changes: it is for a few ten
 * thousand items, and a compaction makes one snapshot of both.
 */
public final class LiveTrie {
  private final SemanticIdTrie snapshot;
  // Items of the snapshot that changed.
  private final RoaringBitmap outdated;
  private final int[] outdatedLeaves;
  // The codes of the items that changed and have a semantic id.
  private final IndexedDelta<int[]> changed;
  private final SemanticIdTrie delta;

  private LiveTrie(SemanticIdTrie snapshot, RoaringBitmap outdated, IndexedDelta<int[]> changed) {
    this.snapshot = snapshot;
    this.outdated = outdated;
    this.outdatedLeaves = snapshot.leavesOf(outdated.toArray());
    this.changed = changed;
    this.delta = SemanticIdTrie.build(snapshot.levels(), codes(snapshot.levels(), changed));
  }

  private static int[] codes(int levels, IndexedDelta<int[]> changed) {
    int[] codes = new int[changed.values().size() * levels];
    int at = 0;
    for (int[] id : changed.values()) {
      System.arraycopy(id, 0, codes, at, levels);
      at += levels;
    }
    return codes;
  }

  /** A snapshot, unchanged. */
  public static LiveTrie of(SemanticIdTrie snapshot) {
    return new LiveTrie(snapshot, new RoaringBitmap(), IndexedDelta.none());
  }

  /**
   * The trie after some more changes.
   *
   * @param changes by item index, the codes that the item has from now on; no codes for an item
   *     that is gone or has no semantic id
   */
  public LiveTrie after(Map<Integer, int[]> changes) {
    RoaringBitmap nowOutdated = outdated.clone();
    SortedMap<Integer, Optional<int[]>> batch = new TreeMap<>();
    changes.forEach(
        (item, codes) -> {
          if (codes.length != 0 && codes.length != levels()) {
            throw new IllegalArgumentException(
                "item " + item + ": " + codes.length + " codes (expected: " + levels() + ")");
          }
          if (snapshot.contains(item)) {
            nowOutdated.add(item);
          }
          batch.put(item, codes.length == 0 ? Optional.empty() : Optional.of(codes.clone()));
        });
    return new LiveTrie(snapshot, nowOutdated, changed.after(batch));
  }

  /**
   * The same semantic ids as a snapshot of their own.
   *
   * @param numbers the items' indices from now on
   */
  public LiveTrie compacted(Renumbering numbers) {
    int[] codes = new int[Math.multiplyExact(numbers.size(), levels())];
    for (int before = 0; before < numbers.before(); before++) {
      int item = numbers.of(before);
      if (item < 0) {
        continue;
      }
      if (contains(before)) {
        System.arraycopy(semanticId(before), 0, codes, item * levels(), levels());
      } else {
        codes[item * levels()] = -1;
      }
    }
    return of(SemanticIdTrie.build(levels(), codes));
  }

  public int levels() {
    return snapshot.levels();
  }

  /** The snapshot's trie: what {@link #legal} takes legal leaves of. */
  public SemanticIdTrie snapshot() {
    return snapshot;
  }

  /** Returns whether an item, by index, has a semantic id. */
  public boolean contains(int item) {
    return changed.find(item) >= 0 || (snapshot.contains(item) && !outdated.contains(item));
  }

  /** The semantic id of an item that {@link #contains} holds for. */
  public int[] semanticId(int item) {
    int number = changed.find(item);
    if (number >= 0) {
      return changed.values().get(number).clone();
    }
    if (outdated.contains(item)) {
      throw new IllegalArgumentException("item: " + item + " (expected: with a semantic id)");
    }
    return snapshot.semanticId(item);
  }

  /** The items that a request without a filter may end in. */
  public LegalItems legal() {
    return legal(snapshot.legal(), RoaringBitmap.bitmapOfRange(0, changed.indices().length));
  }

  /**
   * The items that a request may end in.
   *
   * @param ofSnapshot the leaves of {@link #snapshot} that a filter allows; those of items that
   *     changed since do not count
   * @param ofDelta what the filter allows of the items that changed; others do not count
   */
  public LegalItems filtered(LegalLeaves ofSnapshot, RoaringBitmap ofDelta) {
    int[] items = changed.indices();
    RoaringBitmap numbers = new RoaringBitmap();
    PeekableIntIterator allowed = ofDelta.getIntIterator();
    for (int number = 0; number < items.length && allowed.hasNext(); number++) {
      allowed.advanceIfNeeded(items[number]);
      if (allowed.hasNext() && allowed.peekNext() == items[number]) {
        numbers.add(number);
      }
    }
    return legal(ofSnapshot, numbers);
  }

  private LegalItems legal(LegalLeaves ofSnapshot, RoaringBitmap numbers) {
    return LegalItems.of(
        snapshot, ofSnapshot.withoutLeaves(outdatedLeaves), delta, changed.indices(), numbers);
  }
}
