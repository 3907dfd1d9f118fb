package io.espalier.index.trie;

import io.espalier.index.live.Renumbering;
import java.util.Arrays;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.IntPredicate;
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
  // Semantic ids of the items that changed and have one, by index.
  private final SortedMap<Integer, int[]> changed;
  private final int[] deltaItems;
  private final SemanticIdTrie delta;

  private LiveTrie(
      SemanticIdTrie snapshot, RoaringBitmap outdated, SortedMap<Integer, int[]> changed) {
    this.snapshot = snapshot;
    this.outdated = outdated;
    this.outdatedLeaves = snapshot.leavesOf(outdated.toArray());
    this.changed = changed;
    this.deltaItems = changed.keySet().stream().mapToInt(item -> item).toArray();
    this.delta =
        SemanticIdTrie.build(
            snapshot.levels(), changed.values().stream().flatMapToInt(Arrays::stream).toArray());
  }

  /** A snapshot, unchanged. */
  public static LiveTrie of(SemanticIdTrie snapshot) {
    return new LiveTrie(snapshot, new RoaringBitmap(), new TreeMap<>());
  }

  /**
   * The trie after some more changes.
   *
   * @param changes by item index, the codes that the item has from now on; no codes for an item
   *     that is gone or has no semantic id
   */
  public LiveTrie after(Map<Integer, int[]> changes) {
    RoaringBitmap nowOutdated = outdated.clone();
    SortedMap<Integer, int[]> nowChanged = new TreeMap<>(changed);
    changes.forEach(
        (item, codes) -> {
          if (snapshot.contains(item)) {
            nowOutdated.add(item);
          }
          if (codes.length == 0) {
            nowChanged.remove(item);
          } else if (codes.length == snapshot.levels()) {
            nowChanged.put(item, codes.clone());
          } else {
            throw new IllegalArgumentException(
                "item " + item + ": " + codes.length + " codes (expected: " + levels() + ")");
          }
        });
    return new LiveTrie(snapshot, nowOutdated, nowChanged);
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
    return changed.containsKey(item) || (snapshot.contains(item) && !outdated.contains(item));
  }

  /** The semantic id of an item that {@link #contains} holds for. */
  public int[] semanticId(int item) {
    int[] codes = changed.get(item);
    if (codes != null) {
      return codes.clone();
    }
    if (outdated.contains(item)) {
      throw new IllegalArgumentException("item: " + item + " (expected: with a semantic id)");
    }
    return snapshot.semanticId(item);
  }

  /**
   * The items that a request may end in.
   *
   * @param ofSnapshot the leaves of {@link #snapshot} that a filter allows; those of items that
   *     changed since do not count
   * @param ofDelta whether the filter allows an item that changed
   * @param excluded indices of items that are barred nevertheless, a few
   */
  public LegalItems legal(LegalLeaves ofSnapshot, IntPredicate ofDelta, int[] excluded) {
    RoaringBitmap allowed = new RoaringBitmap();
    for (int number = 0; number < deltaItems.length; number++) {
      if (ofDelta.test(deltaItems[number])) {
        allowed.add(number);
      }
    }
    for (int item : excluded) {
      int number = Arrays.binarySearch(deltaItems, item);
      if (number >= 0) {
        allowed.remove(number);
      }
    }
    return new LegalItems(
        snapshot,
        ofSnapshot.withoutLeaves(outdatedLeaves).without(excluded),
        delta,
        deltaItems,
        allowed);
  }
}
