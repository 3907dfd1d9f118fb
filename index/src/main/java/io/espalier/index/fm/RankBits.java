package io.espalier.index.fm;

import static io.espalier.index.file.Numbers.LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Bits that know how many ones stand before a place.
 *
 * <p>A block is one cache line: the ones before it, then seven words of bits.
 */
final class RankBits {
  private static final int WORDS = 7;
  private static final int BLOCK_BITS = WORDS * Long.SIZE;
  private static final int BLOCK_BYTES = (WORDS + 1) * Long.BYTES;

  private final MemorySegment blocks;

  RankBits(MemorySegment blocks) {
    this.blocks = blocks;
  }

  /** Bytes of so many bits. */
  static long bytes(int bits) {
    return (bits / BLOCK_BITS + 1L) * BLOCK_BYTES;
  }

  /** Bits that are all 0, to be set before {@link #count}. */
  static RankBits allocate(Arena arena, int bits) {
    return new RankBits(arena.allocate(bytes(bits), BLOCK_BYTES));
  }

  MemorySegment blocks() {
    return blocks;
  }

  void set(int at) {
    long word = word(at);
    blocks.set(LONG, word, blocks.get(LONG, word) | 1L << at % BLOCK_BITS);
  }

  /** Counts the ones before each block; afterwards nothing is set any more. */
  RankBits count() {
    long ones = 0;
    for (long block = 0; block < blocks.byteSize(); block += BLOCK_BYTES) {
      blocks.set(LONG, block, ones);
      for (int word = 1; word <= WORDS; word++) {
        ones += Long.bitCount(blocks.get(LONG, block + (long) word * Long.BYTES));
      }
    }
    return this;
  }

  boolean get(int at) {
    return (blocks.get(LONG, word(at)) & 1L << at % BLOCK_BITS) != 0;
  }

  private static long word(int at) {
    int block = at / BLOCK_BITS;
    return (long) block * BLOCK_BYTES + (1L + (at - block * BLOCK_BITS) / Long.SIZE) * Long.BYTES;
  }

  /** The ones before a place, which may be the end. */
  int rank(int at) {
    int number = at / BLOCK_BITS;
    int left = at - number * BLOCK_BITS;
    long block = (long) number * BLOCK_BYTES;
    int ones = (int) blocks.get(LONG, block);
    long word = block + Long.BYTES;
    for (; left >= Long.SIZE; left -= Long.SIZE) {
      ones += Long.bitCount(blocks.get(LONG, word));
      word += Long.BYTES;
    }
    return left == 0 ? ones : ones + Long.bitCount(blocks.get(LONG, word) << -left);
  }

  /** The first one from a place on and before another; that other when there is none. */
  int next(int from, int to) {
    for (int at = from; at < to; ) {
      int inWord = at % BLOCK_BITS % Long.SIZE;
      long bits = blocks.get(LONG, word(at)) & -1L << inWord;
      if (bits != 0) {
        return Math.min(to, at - inWord + Long.numberOfTrailingZeros(bits));
      }
      at += Long.SIZE - inWord;
    }
    return to;
  }
}
