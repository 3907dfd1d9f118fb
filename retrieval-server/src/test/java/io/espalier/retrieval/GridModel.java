package io.espalier.retrieval;

import java.nio.FloatBuffer;
import java.util.Arrays;

/** Log-probabilities that are a hash of prefix and token, on a grid of quarters from −3 to 0. */
final class GridModel implements StepModel {
  private final long seed;
  private final int vocabulary;
  private final int[] offsets;
  private final int levels;

  GridModel(long seed, int vocabulary, int[] offsets, int levels) {
    this.seed = seed;
    this.vocabulary = vocabulary;
    this.offsets = offsets;
    this.levels = levels;
  }

  @Override
  public int vocabulary() {
    return vocabulary;
  }

  @Override
  public int tokenOffset(int level) {
    return offsets[level];
  }

  @Override
  public FloatBuffer logProbs(int level, int[] prefixes, int rows) {
    if (level >= levels || prefixes.length < rows * level) {
      throw new AssertionError("level " + level + ", " + rows + " rows");
    }
    FloatBuffer values = FloatBuffer.allocate(rows * vocabulary);
    for (int row = 0; row < rows; row++) {
      int[] prefix = Arrays.copyOfRange(prefixes, row * level, (row + 1) * level);
      for (int token = 0; token < vocabulary; token++) {
        values.put(token(prefix, token));
      }
    }
    return values.flip();
  }

  /** The value of a code after a prefix. */
  float value(int[] prefix, int code) {
    return token(prefix, offsets[prefix.length] + code);
  }

  private float token(int[] prefix, int token) {
    long hash = seed * 31 + Arrays.hashCode(prefix);
    hash = (hash * 1000003 + token) * 0x9E3779B97F4A7C15L;
    return -((hash >>> 40) % 13) / 4f;
  }
}
