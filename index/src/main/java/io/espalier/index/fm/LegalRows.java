package io.espalier.index.fm;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The rows of an index whose items a request may end in: all, or those of a filter, without those
 * of some other items. Immutable, and made for sharing, as {@link
 * io.espalier.index.trie.LegalLeaves} is.
 *
 * <p>A narrow filter is a sorted array, a broad one a bitmap.
 */
public final class LegalRows {
  private final TextRows index;
  // At most one of the two; neither when every row is allowed.
  private final @Nullable RankBits broad;
  private final int @Nullable [] narrow;
  // Sorted arrays of items that are barred nevertheless.
  private final int[][] barred;

  private LegalRows(
      TextRows index, @Nullable RankBits broad, int @Nullable [] narrow, int[][] barred) {
    this.index = index;
    this.broad = broad;
    this.narrow = narrow;
    this.barred = barred;
  }

  static LegalRows all(TextRows index) {
    return new LegalRows(index, null, null, new int[0][]);
  }

  static LegalRows of(TextRows index, RankBits rows) {
    return new LegalRows(index, rows, null, new int[0][]);
  }

  /** Some rows, ascending; the array is kept. */
  static LegalRows of(TextRows index, int[] rows) {
    return new LegalRows(index, null, rows, new int[0][]);
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
    return new LegalRows(index, broad, narrow, more);
  }

  /** Bytes that a filter's rows take. */
  public long bytes() {
    return (broad == null ? 0 : broad.blocks().byteSize())
        + (narrow == null ? 0 : (long) narrow.length * Integer.BYTES);
  }

  boolean isOf(TextRows other) {
    return index == other;
  }

  /** Whether a range of a pattern has a legal row. */
  boolean anyIn(int from, int to) {
    return (broad == null || broad.rank(from) < broad.rank(to)) && next(from, to) < to;
  }

  /** The first legal row of a range of a pattern; its end when there is none. */
  int next(int from, int to) {
    if (narrow != null) {
      int at = Arrays.binarySearch(narrow, from);
      for (int i = at < 0 ? -at - 1 : at; i < narrow.length && narrow[i] < to; i++) {
        if (!isBarred(narrow[i])) {
          return narrow[i];
        }
      }
      return to;
    }
    for (int row = from; row < to; row++) {
      if (broad != null) {
        row = broad.next(row, to);
      }
      if (row < to && !isBarred(row)) {
        return row;
      }
    }
    return to;
  }

  private boolean isBarred(int row) {
    for (int[] items : barred) {
      if (Arrays.binarySearch(items, index.item(row)) >= 0) {
        return true;
      }
    }
    return false;
  }
}
