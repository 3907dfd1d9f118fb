package io.espalier.index.trie;

import java.util.Arrays;

/**
 * Sorts items by semantic id, items of one id by index.
 *
 * <p>As many levels as fit are packed into one {@code long} with the item's place, so that one sort
 * of numbers, which the JDK does with vector instructions, orders by them; runs that are still
 * equal are sorted by the levels that follow. Codes are read once for most items, whatever the
 * number of levels.
 */
final class IdOrder {
  private static final int INSERTION = 24;

  private final int levels;
  private final int[] codes;
  // By level: how many bits its highest code has.
  private final int[] bits;
  private final int[] order;
  private final long[] keys;
  private final int[] copy;

  private IdOrder(int levels, int[] codes, int[] bits, int[] order) {
    this.levels = levels;
    this.codes = codes;
    this.bits = bits;
    this.order = order;
    this.keys = new long[order.length];
    this.copy = new int[order.length];
  }

  /**
   * The items that have a semantic id, in order.
   *
   * @param codes {@code levels} codes an item; an item whose first code is −1 has no id
   * @throws IllegalArgumentException when another code is negative
   */
  static int[] of(int levels, int[] codes) {
    int items = codes.length / levels;
    int[] order = new int[items];
    int[] any = new int[levels];
    int n = 0;
    for (int item = 0; item < items; item++) {
      int at = item * levels;
      if (codes[at] == -1) {
        continue;
      }
      order[n++] = item;
      for (int d = 0; d < levels; d++) {
        int code = codes[at + d];
        if (code < 0) {
          throw new IllegalArgumentException(
              "code " + d + " of item " + item + ": " + code + " (expected: >= 0)");
        }
        any[d] |= code;
      }
    }
    int[] bits = Arrays.stream(any).map(IdOrder::width).toArray();
    IdOrder sort = new IdOrder(levels, codes, bits, n == items ? order : Arrays.copyOf(order, n));
    sort.sort(0, n, 0);
    return sort.order;
  }

  private static int width(int highest) {
    return Integer.SIZE - Integer.numberOfLeadingZeros(highest);
  }

  /** Sorts a range whose items agree on all levels before {@code level}. */
  private void sort(int from, int to, int level) {
    int n = to - from;
    if (n < 2 || level == levels) {
      return;
    }
    if (n <= INSERTION) {
      insert(from, to, level);
      return;
    }
    int placeBits = width(n - 1);
    int free = Long.SIZE - 1 - placeBits;
    int next = level;
    while (next < levels && bits[next] <= free) {
      free -= bits[next++];
    }
    for (int i = 0; i < n; i++) {
      long key = 0;
      int at = order[from + i] * levels;
      for (int d = level; d < next; d++) {
        key = key << bits[d] | codes[at + d];
      }
      keys[from + i] = key << placeBits | i;
      copy[from + i] = order[from + i];
    }
    Arrays.sort(keys, from, to);
    int place = (1 << placeBits) - 1;
    for (int i = from; i < to; i++) {
      order[i] = copy[from + (int) (keys[i] & place)];
    }
    if (next == levels) {
      return;
    }
    // The keys of a range are not read again once its runs are sorted, which write over them.
    for (int start = from; start < to; ) {
      long id = keys[start] >>> placeBits;
      int end = start + 1;
      while (end < to && keys[end] >>> placeBits == id) {
        end++;
      }
      sort(start, end, next);
      start = end;
    }
  }

  private void insert(int from, int to, int level) {
    for (int i = from + 1; i < to; i++) {
      int item = order[i];
      int j = i;
      while (j > from && after(order[j - 1], item, level)) {
        order[j] = order[j - 1];
        j--;
      }
      order[j] = item;
    }
  }

  private boolean after(int item, int other, int level) {
    int a = item * levels;
    int b = other * levels;
    for (int d = level; d < levels; d++) {
      if (codes[a + d] != codes[b + d]) {
        return codes[a + d] > codes[b + d];
      }
    }
    return false;
  }
}
