package io.espalier.retrieval;

import io.espalier.index.vector.FloatMatrix;

/** The dense vectors of a bundle's items, as stored and by their direction. */
final class DenseVectors {
  private final FloatMatrix stored;
  // By row.
  private final double[] lengths;

  DenseVectors(FloatMatrix stored) {
    this.stored = stored;
    this.lengths = new double[stored.rows()];
    for (int row = 0; row < lengths.length; row++) {
      double squares = 0;
      for (int d = 0; d < stored.width(); d++) {
        squares += (double) stored.get(row, d) * stored.get(row, d);
      }
      lengths[row] = Math.sqrt(squares);
    }
  }

  int width() {
    return stored.width();
  }

  void copyRow(int row, float[] out, int at) {
    stored.copyRow(row, out, at);
  }

  /**
   * The cosine of an item's vector and another; 0 where either has no direction.
   *
   * @param others vectors one after another
   * @param at where the other begins among them
   */
  double cosine(int row, float[] others, int at) {
    double product = 0;
    double squares = 0;
    for (int d = 0; d < stored.width(); d++) {
      double other = others[at + d];
      product += stored.get(row, d) * other;
      squares += other * other;
    }
    double length = lengths[row] * Math.sqrt(squares);
    return length == 0 ? 0 : product / length;
  }
}
