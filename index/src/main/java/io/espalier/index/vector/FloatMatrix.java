package io.espalier.index.vector;

/** A row-major matrix of floats. */
public final class FloatMatrix {
  private final int rows;
  private final int width;
  private final float[] values;

  /**
   * Takes the array as it is; the caller does not write to it again.
   *
   * @throws IllegalArgumentException when it is not of {@code rows × width} values
   */
  public FloatMatrix(int rows, int width, float[] values) {
    if (rows < 0 || width < 0 || (long) rows * width != values.length) {
      throw new IllegalArgumentException(
          "values: " + values.length + " (expected: " + rows + " x " + width + ")");
    }
    this.rows = rows;
    this.width = width;
    this.values = values;
  }

  public int rows() {
    return rows;
  }

  public int width() {
    return width;
  }

  public float get(int row, int column) {
    return values[row * width + column];
  }

  /** Copies a row into {@code out}, from {@code at} on. */
  public void copyRow(int row, float[] out, int at) {
    System.arraycopy(values, row * width, out, at, width);
  }
}
