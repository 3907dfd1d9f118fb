package io.espalier.index.fm;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.roaringbitmap.RoaringBitmap;

/**
 * The rows of an index whose items a request may end in: all, or those of a filter, without those
 * of some other items. Immutable, and made for sharing, as {@link
 * io.espalier.index.trie.LegalLeaves} is.
 */
public final class LegalRows {
  private final FmIndex index;
  // Null when every row is allowed.
  private final @Nullable RankBits allowed;
  // Sorted arrays of items that are barred nevertheless.
  private final int[][] barred;

  private LegalRows(FmIndex index, @Nullable RankBits allowed, int[][] barred) {
    this.index = index;
    this.allowed = allowed;
    this.barred = barred;
  }

  static LegalRows all(FmIndex index) {
    return new LegalRows(index, null, new int[0][]);
  }

  static LegalRows of(FmIndex index, RoaringBitmap items) {
    return new LegalRows(index, index.rowsOf(items), new int[0][]);
  }

  /** These rows without those of some items. */
  public LegalRows without(int[] items) {
    if (items.length == 0) {
      return this;
    }
    int[] sorted = items.clone();
    Arrays.sort(sorted);
    int[][] more = Arrays.copyOf(barred, barred.length + 1);
    more[barred.length] = sorted;
    return new LegalRows(index, allowed, more);
  }

  boolean isOf(FmIndex other) {
    return index == other;
  }

  /** Whether a range of a pattern has a legal row. */
  boolean anyIn(int from, int to) {
    if (allowed == null && barred.length == 0) {
      return from < to;
    }
    return (allowed == null || allowed.rank(from) < allowed.rank(to)) && next(from, to) < to;
  }

  /** The first legal row of a range of a pattern; its end when there is none. */
  int next(int from, int to) {
    for (int row = from; row < to; row++) {
      if (allowed != null) {
        row = allowed.next(row, to);
      }
      if (row < to && !isBarred(index.item(row))) {
        return row;
      }
    }
    return to;
  }

  private boolean isBarred(int item) {
    for (int[] items : barred) {
      if (Arrays.binarySearch(items, item) >= 0) {
        return true;
      }
    }
    return false;
  }
}
