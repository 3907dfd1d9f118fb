package io.espalier.retrieval;

import java.nio.FloatBuffer;
import java.util.Arrays;

/** Log-probabilities that are a hash of prefix and code, on a grid of quarters from −3 to 0. */
final class GridModel implements StepModel {
  private final long seed;
  private final int codes;
  private final int levels;
  private int[] before = new int[0];

  GridModel(long seed, int codes, int levels) {
    this.seed = seed;
    this.codes = codes;
    this.levels = levels;
  }

  @Override
  public int codes() {
    return codes;
  }

  @Override
  public FloatBuffer logProbs(int level, int[] prefixes, int[] parents, int rows) {
    if (level >= levels || prefixes.length < rows * level) {
      throw new AssertionError("level " + level + ", " + rows + " rows");
    }
    FloatBuffer values = FloatBuffer.allocate(rows * codes);
    for (int row = 0; row < rows; row++) {
      int[] prefix = Arrays.copyOfRange(prefixes, row * level, (row + 1) * level);
      requireContinues(prefix, parents[row]);
      for (int code = 0; code < codes; code++) {
        values.put(value(prefix, code));
      }
    }
    before = Arrays.copyOf(prefixes, rows * level);
    return values.flip();
  }

  /** A model that keeps something for each beam relies on the parents it is told. */
  private void requireContinues(int[] prefix, int parent) {
    int above = prefix.length - 1;
    if (above > 0
        && !Arrays.equals(prefix, 0, above, before, parent * above, (parent + 1) * above)) {
      throw new AssertionError(Arrays.toString(prefix) + " does not continue row " + parent);
    }
  }

  /** The value of a code after a prefix. */
  float value(int[] prefix, int code) {
    long hash = seed * 31 + Arrays.hashCode(prefix);
    hash = (hash * 1000003 + code) * 0x9E3779B97F4A7C15L;
    return -((hash >>> 40) % 13) / 4f;
  }
}
