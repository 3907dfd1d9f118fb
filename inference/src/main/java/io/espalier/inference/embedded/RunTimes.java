package io.espalier.inference.embedded;

import java.util.Arrays;

/**
 * How long the runs of a model lately took, by the size of their batch (to the next power of two).
 */
final class RunTimes {
  private static final int SIZES = 32;
  private static final double NEWEST = .2;

  private final double[] nanos = new double[SIZES];

  RunTimes() {
    Arrays.fill(nanos, -1);
  }

  /** A run has taken so long. */
  void ran(int rows, long took) {
    int size = size(rows);
    nanos[size] = nanos[size] < 0 ? took : nanos[size] + NEWEST * (took - nanos[size]);
  }

  /**
   * What a run takes: that of the next smaller size that was seen, else of the next larger one, in
   * nanoseconds; 0 where none was.
   */
  long expected(int rows) {
    int size = size(rows);
    for (int smaller = size; smaller >= 0; smaller--) {
      if (nanos[smaller] >= 0) {
        return (long) nanos[smaller];
      }
    }
    for (int larger = size + 1; larger < SIZES; larger++) {
      if (nanos[larger] >= 0) {
        return (long) nanos[larger];
      }
    }
    return 0;
  }

  private static int size(int rows) {
    return rows <= 1 ? 0 : Integer.SIZE - Integer.numberOfLeadingZeros(rows - 1);
  }
}
