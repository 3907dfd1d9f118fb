package io.espalier.retrieval;

import java.util.Arrays;

/** A history as models take it: the most recent events, left-padded. */
final class History {
  /** What stands where there is no event. */
  static final int PADDING = -1;

  private History() {}

  /**
   * Fits a history into a fixed number of places.
   *
   * @param items item indices, oldest first
   * @return {@code places} indices, the most recent event last
   */
  static int[] fit(int[] items, int places) {
    int[] fitted = new int[places];
    int kept = Math.min(items.length, places);
    Arrays.fill(fitted, 0, places - kept, PADDING);
    System.arraycopy(items, items.length - kept, fitted, places - kept, kept);
    return fitted;
  }

  /** The same as INT64 values. */
  static long[] fitLongs(int[] items, int places) {
    return Arrays.stream(fit(items, places)).asLongStream().toArray();
  }
}
