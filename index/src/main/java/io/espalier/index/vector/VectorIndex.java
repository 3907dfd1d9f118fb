package io.espalier.index.vector;

import io.espalier.index.ScoredItems;
import io.espalier.index.TopK;
import java.util.Arrays;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/**
 * Exact search by inner product over a fixed set of vectors.
 *
 * <p>Vectors lie in blocks of {@value #BLOCK}, column by column within a block: the inner loop adds
 * one query element times a run of item elements, which the JIT turns into vector instructions (a
 * row-wise inner product is a float reduction, which it must not reorder). An item's sum runs over
 * the columns in order whatever the filter, so scores do not depend on it.
 */
public final class VectorIndex {
  private static final int BLOCK = 256;

  private final int size;
  private final int width;
  // Blocks one after another; the last is padded with zeros.
  private final float[] blocks;
  private final float @Nullable [] bias;

  private VectorIndex(int size, int width, float[] blocks, float @Nullable [] bias) {
    this.size = size;
    this.width = width;
    this.blocks = blocks;
    this.bias = bias;
  }

  /**
   * Lays vectors out for search.
   *
   * @param vectors one row an item
   * @param bias one row of one value an item, added to each score; null for none
   */
  public static VectorIndex of(FloatMatrix vectors, @Nullable FloatMatrix bias) {
    int size = vectors.rows();
    int width = vectors.width();
    if (bias != null && (bias.rows() != size || bias.width() != 1)) {
      throw new IllegalArgumentException(
          "bias: " + bias.rows() + " x " + bias.width() + " (expected: " + size + " x 1)");
    }
    int padded = Math.multiplyExact(Math.ceilDiv(size, BLOCK), BLOCK);
    float[] blocks = new float[Math.multiplyExact(padded, width)];
    for (int item = 0; item < size; item++) {
      int at = item / BLOCK * BLOCK * width + item % BLOCK;
      for (int d = 0; d < width; d++) {
        blocks[at + d * BLOCK] = vectors.get(item, d);
      }
    }
    float[] perItem = null;
    if (bias != null) {
      perItem = new float[size];
      for (int item = 0; item < size; item++) {
        perItem[item] = bias.get(item, 0);
      }
    }
    return new VectorIndex(size, width, blocks, perItem);
  }

  public int size() {
    return size;
  }

  public int width() {
    return width;
  }

  /**
   * The k items with the highest score; equal scores go to the lower item.
   *
   * @param query one or more query vectors, one after another; an item's score is the highest of
   *     its inner products with them, plus its bias
   * @param legal items that may be returned; null for all
   */
  public ScoredItems search(float[] query, int k, @Nullable BitSet legal) {
    int heads = heads(query);
    TopK best = new TopK(Math.min(k, Math.max(1, size)));
    float[] scores = new float[BLOCK];
    float[] scratch = heads == 1 ? scores : new float[BLOCK];
    for (int first = 0; first < size; first += BLOCK) {
      int end = Math.min(first + BLOCK, size);
      if (legal != null) {
        int next = legal.nextSetBit(first);
        if (next < 0) {
          break;
        }
        if (next >= end) {
          continue;
        }
      }
      score(query, heads, first, scores, scratch);
      for (int item = first; item < end; item++) {
        if (legal == null || legal.get(item)) {
          best.offer(item, scores[item - first]);
        }
      }
    }
    return best.drain();
  }

  /**
   * The scores of all items, equal to those that {@link #search} gives.
   *
   * @param out one place an item
   */
  public void scores(float[] query, float[] out) {
    if (out.length != size) {
      throw new IllegalArgumentException("out: " + out.length + " (expected: " + size + ")");
    }
    int heads = heads(query);
    float[] scores = new float[BLOCK];
    float[] scratch = heads == 1 ? scores : new float[BLOCK];
    for (int first = 0; first < size; first += BLOCK) {
      score(query, heads, first, scores, scratch);
      System.arraycopy(scores, 0, out, first, Math.min(BLOCK, size - first));
    }
  }

  /** The score of one item, equal to the one that {@link #search} gives. */
  public float score(float[] query, int item) {
    int heads = heads(query);
    int at = item / BLOCK * BLOCK * width + item % BLOCK;
    float best = Float.NEGATIVE_INFINITY;
    for (int head = 0; head < heads; head++) {
      float sum = 0;
      for (int d = 0; d < width; d++) {
        sum += query[head * width + d] * blocks[at + d * BLOCK];
      }
      best = Math.max(best, sum);
    }
    return bias == null ? best : best + bias[item];
  }

  /** How many legal items come before one item in the order of {@link #search}. */
  public int rank(float[] query, int item, @Nullable BitSet legal) {
    float score = score(query, item);
    int heads = heads(query);
    float[] scores = new float[BLOCK];
    float[] scratch = heads == 1 ? scores : new float[BLOCK];
    int rank = 0;
    for (int first = 0; first < size; first += BLOCK) {
      score(query, heads, first, scores, scratch);
      int end = Math.min(first + BLOCK, size);
      for (int other = first; other < end; other++) {
        float s = scores[other - first];
        if ((legal == null || legal.get(other)) && (s > score || (s == score && other < item))) {
          rank++;
        }
      }
    }
    return rank;
  }

  private int heads(float[] query) {
    if (width == 0 || query.length == 0 || query.length % width != 0) {
      throw new IllegalArgumentException(
          "query: " + query.length + " values (expected: a multiple of " + width + ")");
    }
    return query.length / width;
  }

  private void score(float[] query, int heads, int first, float[] scores, float[] scratch) {
    products(query, 0, first, scores);
    for (int head = 1; head < heads; head++) {
      products(query, head, first, scratch);
      for (int i = 0; i < BLOCK; i++) {
        scores[i] = Math.max(scores[i], scratch[i]);
      }
    }
    if (bias != null) {
      int end = Math.min(BLOCK, size - first);
      for (int i = 0; i < end; i++) {
        scores[i] += bias[first + i];
      }
    }
  }

  private void products(float[] query, int head, int first, float[] out) {
    Arrays.fill(out, 0);
    for (int d = 0; d < width; d++) {
      float q = query[head * width + d];
      int column = first * width + d * BLOCK;
      for (int i = 0; i < BLOCK; i++) {
        out[i] += q * blocks[column + i];
      }
    }
  }
}
