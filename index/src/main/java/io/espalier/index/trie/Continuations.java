package io.espalier.index.trie;

import java.util.Arrays;

/** What may follow a beam's state: parallel codes and states, reused from call to call. */
public final class Continuations {
  private int[] codes = new int[256];
  private long[] states = new long[256];
  private int size;

  public int size() {
    return size;
  }

  public int code(int i) {
    return codes[i];
  }

  public long state(int i) {
    return states[i];
  }

  /** Makes room for so many more. */
  void reserve(int more) {
    if (size + more > codes.length) {
      int capacity = Math.max(2 * codes.length, size + more);
      codes = Arrays.copyOf(codes, capacity);
      states = Arrays.copyOf(states, capacity);
    }
  }

  /** Adds where there is room. */
  void put(int code, long state) {
    codes[size] = code;
    states[size++] = state;
  }

  /** Starts anew. */
  public void clear() {
    size = 0;
  }

  /** Adds a continuation of a higher code than those before. */
  public void add(int code, long state) {
    reserve(1);
    put(code, state);
  }
}
