package io.espalier.index.fm;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A sequence of symbols that counts any of them before any place, and lists those of a range
 * (Claude, Navarro and Ordóñez, 2015).
 *
 * <p>A row of bits for each bit of a symbol, the highest first. From row to row the symbols whose
 * bit is 0 go before those whose bit is 1, else in the order that they had; so a range of the
 * sequence stays, for each symbol, one range.
 */
final class WaveletMatrix {
  private final RankBits[] rows;
  // By row: how many bits are 0, where those whose bit is 1 go to.
  private final int[] zeros;
  private final MemorySegment blocks;

  /**
   * Reads a matrix.
   *
   * @param blocks the rows one after the other
   * @param size symbols of the sequence
   * @param symbols how many different ones there may be
   */
  WaveletMatrix(MemorySegment blocks, int size, int symbols) {
    this.blocks = blocks;
    this.rows = new RankBits[depth(symbols)];
    this.zeros = new int[rows.length];
    long bytes = RankBits.bytes(size);
    for (int row = 0; row < rows.length; row++) {
      rows[row] = new RankBits(blocks.asSlice(row * bytes, bytes));
      zeros[row] = size - rows[row].rank(size);
    }
  }

  private static int depth(int symbols) {
    return Math.max(1, Integer.SIZE - Integer.numberOfLeadingZeros(symbols - 1));
  }

  /** Lays out a sequence, which is reordered on the way. */
  static WaveletMatrix of(Arena arena, int[] sequence, int symbols) {
    int size = sequence.length;
    int depth = depth(symbols);
    long bytes = RankBits.bytes(size);
    MemorySegment blocks = arena.allocate(depth * bytes, Long.BYTES * Byte.SIZE);
    int[] ones = new int[size];
    for (int row = 0; row < depth; row++) {
      RankBits bits = new RankBits(blocks.asSlice(row * bytes, bytes));
      int bit = 1 << (depth - 1 - row);
      int zero = 0;
      int one = 0;
      for (int i = 0; i < size; i++) {
        int symbol = sequence[i];
        if ((symbol & bit) == 0) {
          sequence[zero++] = symbol;
        } else {
          bits.set(i);
          ones[one++] = symbol;
        }
      }
      System.arraycopy(ones, 0, sequence, zero, one);
      bits.count();
    }
    return new WaveletMatrix(blocks, size, symbols);
  }

  MemorySegment blocks() {
    return blocks;
  }

  /**
   * Where a place goes under the last row if a symbol stands there. From where 0 goes to on, the
   * symbol's occurrences stand in their order: the difference is how many come before the place.
   */
  int follow(int symbol, int at) {
    int place = at;
    for (int row = 0; row < rows.length; row++) {
      int ones = rows[row].rank(place);
      place = (symbol >>> (rows.length - 1 - row) & 1) == 0 ? place - ones : zeros[row] + ones;
    }
    return place;
  }

  /** The symbol at a place, in the upper half, and where the place goes to in the lower. */
  long descend(int at) {
    int place = at;
    int symbol = 0;
    for (int row = 0; row < rows.length; row++) {
      int ones = rows[row].rank(place);
      boolean one = rows[row].get(place);
      symbol = symbol << 1 | (one ? 1 : 0);
      place = one ? zeros[row] + ones : place - ones;
    }
    return (long) symbol << Integer.SIZE | place;
  }

  /** What {@link #distinct} gives: a symbol and where the range goes to. */
  interface Visitor {
    void visit(int symbol, int from, int to);
  }

  /** Gives the symbols {@code low … high − 1} that stand in a range, ascending. */
  void distinct(int from, int to, int low, int high, Visitor visitor) {
    if (from < to && low < high) {
      visit(0, 0, from, to, low, high, visitor);
    }
  }

  private void visit(int row, int prefix, int from, int to, int low, int high, Visitor visitor) {
    if (row == rows.length) {
      visitor.visit(prefix, from, to);
      return;
    }
    int below = rows.length - 1 - row;
    int before = rows[row].rank(from);
    int upTo = rows[row].rank(to);
    int middle = (prefix << 1 | 1) << below;
    if (from - before < to - upTo && low < middle) {
      visit(row + 1, prefix << 1, from - before, to - upTo, low, high, visitor);
    }
    if (before < upTo && high > middle && low < middle + (1 << below)) {
      int zero = zeros[row];
      visit(row + 1, prefix << 1 | 1, zero + before, zero + upTo, low, high, visitor);
    }
  }
}
