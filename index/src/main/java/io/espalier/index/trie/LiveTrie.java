package io.espalier.index.trie;

import io.espalier.index.live.Renumbering;
import java.util.Arrays;
import java.util.Map;
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
  // The items that changed and have a semantic id, ascending, and their codes, so many an item.
  private final int[] deltaItems;
  private final int[] deltaCodes;
  private final SemanticIdTrie delta;

  private LiveTrie(
      SemanticIdTrie snapshot, RoaringBitmap outdated, int[] deltaItems, int[] deltaCodes) {
    this.snapshot = snapshot;
    this.outdated = outdated;
    this.outdatedLeaves = snapshot.leavesOf(outdated.toArray());
    this.deltaItems = deltaItems;
    this.deltaCodes = deltaCodes;
    this.delta = SemanticIdTrie.build(snapshot.levels(), deltaCodes);
  }

  /** A snapshot, unchanged. */
  public static LiveTrie of(SemanticIdTrie snapshot) {
    return new LiveTrie(snapshot, new RoaringBitmap(), new int[0], new int[0]);
  }

  /**
   * The trie after some more changes.
   *
   * @param changes by item index, the codes that the item has from now on; no codes for an item
   *     that is gone or has no semantic id
   */
  public LiveTrie after(Map<Integer, int[]> changes) {
    RoaringBitmap nowOutdated = outdated.clone();
    int[] changed = changes.keySet().stream().mapToInt(item -> item).sorted().toArray();
    Merge merge = new Merge(deltaItems.length + changed.length);
    for (int item : changed) {
      int[] codes = changes.getOrDefault(item, new int[0]);
      if (codes.length != 0 && codes.length != levels()) {
        throw new IllegalArgumentException(
            "item " + item + ": " + codes.length + " codes (expected: " + levels() + ")");
      }
      if (snapshot.contains(item)) {
        nowOutdated.add(item);
      }
      merge.put(item, codes);
    }
    return merge.finish(nowOutdated);
  }

  /** Puts changes between the items of the delta. */
  private final class Merge {
    private final int[] items;
    private final int[] codes;
    private int size;
    // How many of the delta's items were passed.
    private int from;

    Merge(int most) {
      items = new int[most];
      codes = new int[most * levels()];
    }

    /** The next item that changes, and its codes from now on; none when it has none any more. */
    void put(int item, int[] now) {
      int at = Arrays.binarySearch(deltaItems, from, deltaItems.length, item);
      keep(at < 0 ? -at - 1 : at);
      from += at < 0 ? 0 : 1;
      if (now.length > 0) {
        items[size] = item;
        System.arraycopy(now, 0, codes, size * levels(), levels());
        size++;
      }
    }

    private void keep(int to) {
      System.arraycopy(deltaItems, from, items, size, to - from);
      System.arraycopy(deltaCodes, from * levels(), codes, size * levels(), (to - from) * levels());
      size += to - from;
      from = to;
    }

    LiveTrie finish(RoaringBitmap nowOutdated) {
      keep(deltaItems.length);
      return new LiveTrie(
          snapshot, nowOutdated, Arrays.copyOf(items, size), Arrays.copyOf(codes, size * levels()));
    }
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
    return number(item) >= 0 || (snapshot.contains(item) && !outdated.contains(item));
  }

  private int number(int item) {
    return Arrays.binarySearch(deltaItems, item);
  }

  /** The semantic id of an item that {@link #contains} holds for. */
  public int[] semanticId(int item) {
    int number = number(item);
    if (number >= 0) {
      return Arrays.copyOfRange(deltaCodes, number * levels(), (number + 1) * levels());
    }
    if (outdated.contains(item)) {
      throw new IllegalArgumentException("item: " + item + " (expected: with a semantic id)");
    }
    return snapshot.semanticId(item);
  }

  /** The items that a request without a filter may end in. */
  public LegalItems legal() {
    return legal(snapshot.legal(), RoaringBitmap.bitmapOfRange(0, deltaItems.length));
  }

  /**
   * The items that a request may end in.
   *
   * @param ofSnapshot the leaves of {@link #snapshot} that a filter allows; those of items that
   *     changed since do not count
   * @param changed what the filter allows of the items that changed; others do not count
   */
  public LegalItems filtered(LegalLeaves ofSnapshot, RoaringBitmap changed) {
    RoaringBitmap numbers = new RoaringBitmap();
    PeekableIntIterator allowed = changed.getIntIterator();
    for (int number = 0; number < deltaItems.length && allowed.hasNext(); number++) {
      allowed.advanceIfNeeded(deltaItems[number]);
      if (allowed.hasNext() && allowed.peekNext() == deltaItems[number]) {
        numbers.add(number);
      }
    }
    return legal(ofSnapshot, numbers);
  }

  private LegalItems legal(LegalLeaves ofSnapshot, RoaringBitmap numbers) {
    return LegalItems.of(
        snapshot, ofSnapshot.withoutLeaves(outdatedLeaves), delta, deltaItems, numbers);
  }
}
