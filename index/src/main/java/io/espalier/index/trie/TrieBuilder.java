package io.espalier.index.trie;

import static io.espalier.index.file.Numbers.BYTE;
import static io.espalier.index.file.Numbers.INT;
import static io.espalier.index.file.Numbers.LONG;
import static io.espalier.index.file.Numbers.SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** Lays out a {@link SemanticIdTrie} in off-heap memory. */
final class TrieBuilder {
  // Levels are kept level by level while a node has so many children on average.
  private static final double MANY_CHILDREN = 1.5;

  private TrieBuilder() {}

  static SemanticIdTrie build(int levels, int[] codes) {
    int items = codes.length / levels;
    int[] order = IdOrder.of(levels, codes);
    int leaves = order.length;
    Arena arena = Arena.ofAuto();
    long bitmapBytes = SemanticIdTrie.bitmapBytes(leaves);
    MemorySegment starts = arena.allocate((levels - 1) * bitmapBytes, Long.BYTES);
    MemorySegment itemAt = arena.allocate((long) leaves * Integer.BYTES, Integer.BYTES);
    MemorySegment leafOf = arena.allocate((long) items * Integer.BYTES, Integer.BYTES);
    leafOf.fill((byte) -1);
    int[] nodes = new int[levels + 1];
    nodes[0] = 1;
    int[] rootCodes = new int[16];
    int[] rootStarts = new int[16];
    int highest = 0;
    int before = -1;
    for (int leaf = 0; leaf < leaves; leaf++) {
      int item = order[leaf];
      itemAt.setAtIndex(INT, leaf, item);
      leafOf.setAtIndex(INT, item, leaf);
      int at = item * levels;
      int fork = before < 0 ? 0 : fork(codes, before, at, levels);
      if (fork == 0) {
        if (nodes[1] == rootCodes.length) {
          rootCodes = Arrays.copyOf(rootCodes, 2 * nodes[1]);
          rootStarts = Arrays.copyOf(rootStarts, 2 * nodes[1]);
        }
        rootCodes[nodes[1]] = codes[at];
        rootStarts[nodes[1]++] = leaf;
      }
      for (int d = Math.max(fork, 1); d < levels; d++) {
        long word = (d - 1) * bitmapBytes + 8L * (leaf >>> 6);
        starts.set(LONG, word, starts.get(LONG, word) | 1L << leaf);
        nodes[d + 1]++;
      }
      for (int d = 0; d < levels; d++) {
        highest = Math.max(highest, codes[at + d]);
      }
      before = at;
    }
    int codeBytes = highest < 1 << 8 ? 1 : highest < 1 << 16 ? 2 : 4;
    int columns = columns(levels, nodes);
    return new SemanticIdTrie(
        ints(arena, new int[] {levels, codeBytes, columns}, 3),
        codes(arena, levels, codes, order, codeBytes, columns),
        starts,
        ints(arena, rootCodes, nodes[1]),
        ints(arena, append(rootStarts, nodes[1], leaves), nodes[1] + 1),
        itemAt,
        leafOf);
  }

  private static int fork(int[] codes, int a, int b, int levels) {
    int d = 0;
    while (d < levels && codes[a + d] == codes[b + d]) {
      d++;
    }
    return d;
  }

  private static int columns(int levels, int[] nodes) {
    int columns = 1;
    while (columns < levels && nodes[columns + 1] > MANY_CHILDREN * nodes[columns]) {
      columns++;
    }
    return columns;
  }

  private static MemorySegment codes(
      Arena arena, int levels, int[] codes, int[] order, int codeBytes, int columns) {
    int leaves = order.length;
    MemorySegment packed = arena.allocate((long) leaves * levels * codeBytes, Integer.BYTES);
    int rest = levels - columns;
    for (int leaf = 0; leaf < leaves; leaf++) {
      int from = order[leaf] * levels;
      for (int d = 0; d < columns; d++) {
        put(packed, codeBytes, (long) d * leaves + leaf, codes[from + d]);
      }
      long row = (long) columns * leaves + (long) leaf * rest;
      for (int d = 0; d < rest; d++) {
        put(packed, codeBytes, row + d, codes[from + columns + d]);
      }
    }
    return packed;
  }

  private static void put(MemorySegment packed, int codeBytes, long at, int code) {
    switch (codeBytes) {
      case 1 -> packed.set(BYTE, at, (byte) code);
      case 2 -> packed.set(SHORT, 2 * at, (short) code);
      default -> packed.set(INT, 4 * at, code);
    }
  }

  private static int[] append(int[] values, int size, int last) {
    int[] more = Arrays.copyOf(values, size + 1);
    more[size] = last;
    return more;
  }

  private static MemorySegment ints(Arena arena, int[] values, int size) {
    MemorySegment segment = arena.allocate((long) size * Integer.BYTES, Integer.BYTES);
    MemorySegment.copy(values, 0, segment, INT, 0, size);
    return segment;
  }
}
