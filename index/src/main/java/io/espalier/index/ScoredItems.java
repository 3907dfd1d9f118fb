package io.espalier.index;

import java.util.Objects;

/** Items, by index, and their scores, best first. */
public final class ScoredItems {
  private final int[] items;
  private final float[] scores;

  /**
   * Takes the arrays as they are; the caller does not write to them again.
   *
   * @throws IllegalArgumentException when they differ in length
   */
  public ScoredItems(int[] items, float[] scores) {
    if (items.length != scores.length) {
      throw new IllegalArgumentException(
          "scores: " + scores.length + " (expected: " + items.length + ")");
    }
    this.items = items;
    this.scores = scores;
  }

  public int size() {
    return items.length;
  }

  public int item(int rank) {
    return items[Objects.checkIndex(rank, items.length)];
  }

  public float score(int rank) {
    return scores[Objects.checkIndex(rank, items.length)];
  }
}
