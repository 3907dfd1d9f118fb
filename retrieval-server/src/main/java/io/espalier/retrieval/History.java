package io.espalier.retrieval;

import java.util.Arrays;
import java.util.List;

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

  /**
   * Fits the semantic ids of a history into a number of places.
   *
   * @param known codes of each event, oldest first
   * @return {@code places × levels} codes
   */
  static long[] fitCodes(List<List<Integer>> known, int places, int levels) {
    long[] codes = new long[places * levels];
    int kept = Math.min(places, known.size());
    Arrays.fill(codes, 0, (places - kept) * levels, PADDING);
    for (int event = 0; event < kept; event++) {
      List<Integer> own = known.get(known.size() - kept + event);
      for (int d = 0; d < levels; d++) {
        codes[(places - kept + event) * levels + d] = own.get(d);
      }
    }
    return codes;
  }

  /** What {@link #fit} gives, as INT64 values. */
  static long[] fitLongs(int[] items, int places) {
    return Arrays.stream(fit(items, places)).asLongStream().toArray();
  }
}
