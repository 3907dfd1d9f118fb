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

  /** Starts anew. */
  public void clear() {
    size = 0;
  }

  /** Adds a continuation of a higher code than those before. */
  public void add(int code, long state) {
    if (size == codes.length) {
      codes = Arrays.copyOf(codes, 2 * size);
      states = Arrays.copyOf(states, 2 * size);
    }
    codes[size] = code;
    states[size++] = state;
  }
}
