package io.espalier.index;

import java.util.Arrays;

/**
 * Keeps the k best of many scored items: higher scores first, equal scores by the lower item.
 *
 * <p>A min-heap of longs whose order is that order: the score's bits, made sortable, above the
 * complement of the item. A NaN score is never kept.
 */
public final class TopK {
  private final long[] heap;
  private int size;

  public TopK(int k) {
    if (k < 1) {
      throw new IllegalArgumentException("k: " + k + " (expected: >= 1)");
    }
    heap = new long[k];
  }

  public void offer(int item, float score) {
    if (Float.isNaN(score)) {
      return;
    }
    long key = key(item, score);
    if (size < heap.length) {
      siftUp(size++, key);
    } else if (key > heap[0]) {
      siftDown(0, key);
    }
  }

  public int size() {
    return size;
  }

  /** Empties the heap into a list, best first. */
  public ScoredItems drain() {
    Arrays.sort(heap, 0, size);
    int[] items = new int[size];
    float[] scores = new float[size];
    for (int i = 0; i < size; i++) {
      long key = heap[size - 1 - i];
      items[i] = ~(int) key;
      scores[i] = score(key);
    }
    size = 0;
    return new ScoredItems(items, scores);
  }

  // Sortable bits: those of a negative float are flipped, so that the order of ints is the order of
  // floats. 0f + score makes -0 and 0 one score.
  private static long key(int item, float score) {
    int bits = Float.floatToRawIntBits(0f + score);
    int sortable = bits ^ ((bits >> 31) & Integer.MAX_VALUE);
    return ((long) sortable << 32) | (~item & 0xFFFFFFFFL);
  }

  private static float score(long key) {
    int sortable = (int) (key >> 32);
    return Float.intBitsToFloat(sortable ^ ((sortable >> 31) & Integer.MAX_VALUE));
  }

  private void siftUp(int at, long key) {
    while (at > 0) {
      int parent = (at - 1) >>> 1;
      if (heap[parent] <= key) {
        break;
      }
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = key;
  }

  private void siftDown(int at, long key) {
    int half = size >>> 1;
    while (at < half) {
      int child = 2 * at + 1;
      if (child + 1 < size && heap[child + 1] < heap[child]) {
        child++;
      }
      if (key <= heap[child]) {
        break;
      }
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = key;
  }
}
