package io.espalier.index.file;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Bytes that grow until their number is known. Numbers stand at multiples of their width: whoever
 * mixes them with bytes sees to it.
 */
public final class SegmentBuilder {
  private static final int CHUNK = 1 << 20;

  // On the heap, so that nothing has to be freed when a build fails.
  private final List<MemorySegment> chunks = new ArrayList<>();
  private MemorySegment last = MemorySegment.NULL;
  private long size;

  /** Where the next byte goes in the last chunk, which has room for it. */
  private int at() {
    int at = (int) (size & (CHUNK - 1));
    if (at == 0) {
      last = MemorySegment.ofArray(new byte[CHUNK]);
      chunks.add(last);
    }
    return at;
  }

  public void addInt(int value) {
    int at = at();
    last.set(Numbers.INT, at, value);
    size += Integer.BYTES;
  }

  public void addLong(long value) {
    int at = at();
    last.set(Numbers.LONG, at, value);
    size += Long.BYTES;
  }

  /** Adds bytes of a segment. */
  public void add(MemorySegment from, long offset, long length) {
    for (long done = 0; done < length; ) {
      int at = at();
      long step = Math.min(length - done, CHUNK - at);
      MemorySegment.copy(from, offset + done, last, at, step);
      done += step;
      size += step;
    }
  }

  public long size() {
    return size;
  }

  /** The bytes so far, in one piece. */
  public MemorySegment build(Arena arena) {
    MemorySegment all = arena.allocate(size, Long.BYTES);
    long from = 0;
    for (MemorySegment chunk : chunks) {
      long step = Math.min(CHUNK, size - from);
      MemorySegment.copy(chunk, 0, all, from, step);
      from += step;
    }
    return all;
  }
}
