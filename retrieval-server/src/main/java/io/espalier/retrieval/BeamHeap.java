package io.espalier.retrieval;

import java.util.Arrays;

/**
 * The best candidates of a level, in a bounded heap with the worst on top: a lower score is worse,
 * equal scores with a higher tie-breaker. Its arrays live as long as the search; nothing is
 * allocated per candidate.
 */
final class BeamHeap {
  // Slots, heap-ordered while candidates come in, sorted after.
  private final int[] slots;
  private final long[] keys;
  // By slot.
  private final double[] score;
  private final int[] tie;
  private final int[] beam;
  private final int[] code;
  private final long[] state;
  private int size;

  BeamHeap(int capacity) {
    slots = new int[capacity];
    keys = new long[capacity];
    score = new double[capacity];
    tie = new int[capacity];
    beam = new int[capacity];
    code = new int[capacity];
    state = new long[capacity];
  }

  void clear() {
    size = 0;
  }

  int size() {
    return size;
  }

  double score(int i) {
    return score[slots[i]];
  }

  int tie(int i) {
    return tie[slots[i]];
  }

  int beam(int i) {
    return beam[slots[i]];
  }

  int code(int i) {
    return code[slots[i]];
  }

  long state(int i) {
    return state[slots[i]];
  }

  /** A candidate of a lower score cannot enter, whatever its tie-breaker. */
  double least() {
    return size < slots.length ? Double.NEGATIVE_INFINITY : score[slots[0]];
  }

  void offer(double candidateScore, int tieBreaker, int fromBeam, int nextCode, long nextState) {
    boolean full = size == slots.length;
    int slot = full ? slots[0] : size;
    if (full
        && !(candidateScore > score[slot]
            || (candidateScore == score[slot] && tieBreaker < tie[slot]))) {
      return;
    }
    score[slot] = candidateScore;
    tie[slot] = tieBreaker;
    beam[slot] = fromBeam;
    code[slot] = nextCode;
    state[slot] = nextState;
    if (full) {
      siftDown(slot, size);
    } else {
      siftUp(size++, slot);
    }
  }

  /** Offers every candidate to another heap and is empty then. */
  void moveTo(BeamHeap other) {
    for (int i = 0; i < size; i++) {
      int slot = slots[i];
      other.offer(score[slot], tie[slot], beam[slot], code[slot], state[slot]);
    }
    clear();
  }

  /** Orders the candidates best first; the next use is {@link #clear}. */
  void sortByScore() {
    for (int end = size - 1; end > 0; end--) {
      int worst = slots[0];
      siftDown(slots[end], end);
      slots[end] = worst;
    }
  }

  /** Orders the candidates by tie-breaker, ascending; the next use is {@link #clear}. */
  void sortByTie() {
    for (int slot = 0; slot < size; slot++) {
      keys[slot] = ((long) tie[slot] << 32) | slot;
    }
    Arrays.sort(keys, 0, size);
    for (int i = 0; i < size; i++) {
      slots[i] = (int) keys[i];
    }
  }

  private boolean worse(int slot, int other) {
    return score[slot] < score[other] || (score[slot] == score[other] && tie[slot] > tie[other]);
  }

  private void siftUp(int from, int slot) {
    int at = from;
    while (at > 0) {
      int parent = (at - 1) >>> 1;
      if (!worse(slot, slots[parent])) {
        break;
      }
      slots[at] = slots[parent];
      at = parent;
    }
    slots[at] = slot;
  }

  private void siftDown(int slot, int end) {
    int at = 0;
    for (int child = 1; child < end; child = 2 * at + 1) {
      if (child + 1 < end && worse(slots[child + 1], slots[child])) {
        child++;
      }
      if (!worse(slots[child], slot)) {
        break;
      }
      slots[at] = slots[child];
      at = child;
    }
    slots[at] = slot;
  }
}
