package io.espalier.ranking;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.index.vector.FloatMatrix;
import io.espalier.index.vector.NpyFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Reads the tables and vectors of a bundle and says which file is wrong, and how. */
final class BundleTables {
  private final Bundle bundle;

  BundleTables(Bundle bundle) {
    this.bundle = bundle;
  }

  /** A matrix of this many rows and columns; −1 takes any number. */
  FloatMatrix matrix(String part, int rows, int width) {
    Path file = bundle.file(part);
    FloatMatrix matrix;
    try {
      matrix = NpyFile.read(file);
    } catch (IOException e) {
      throw new BundleException("bundle " + bundle.id() + ": " + e.getMessage(), e);
    }
    if ((rows >= 0 && matrix.rows() != rows) || (width >= 0 && matrix.width() != width)) {
      throw new BundleException(
          "bundle %s: %s: %d x %d (expected: %s x %s)"
              .formatted(
                  bundle.id(),
                  file,
                  matrix.rows(),
                  matrix.width(),
                  rows < 0 ? "any" : rows,
                  width < 0 ? "any" : width));
    }
    return matrix;
  }

  /** All values of a matrix, row by row. */
  static float[] values(FloatMatrix matrix) {
    float[] values = new float[matrix.rows() * matrix.width()];
    for (int row = 0; row < matrix.rows(); row++) {
      matrix.copyRow(row, values, row * matrix.width());
    }
    return values;
  }

  /** The rows of a file of tab-separated values with this many columns. */
  List<String[]> rows(String part, int columns) {
    Path file = bundle.file(part);
    List<String> lines;
    try {
      lines = Files.readAllLines(file);
    } catch (IOException e) {
      throw new BundleException("bundle " + bundle.id() + ": " + file + ": cannot be read", e);
    }
    List<String[]> rows = new ArrayList<>(lines.size());
    for (String line : lines) {
      String[] fields = line.split("\t", -1);
      if (fields.length != columns) {
        throw invalid(file, rows.size() + 1, "fields", fields.length, columns);
      }
      rows.add(fields);
    }
    return rows;
  }

  /** A whole number in a row of {@link #rows}. */
  int integer(String part, int row, String name, String text, int min, int max) {
    try {
      int value = Integer.parseInt(text);
      if (value >= min && value <= max) {
        return value;
      }
    } catch (NumberFormatException e) {
      // Reported below, with the same words as a value out of bounds.
    }
    throw invalid(bundle.file(part), row + 1, name, text, min + ".." + max);
  }

  private BundleException invalid(Path file, int line, String name, Object value, Object expected) {
    return new BundleException(
        "bundle %s: %s:%d: %s: %s (expected: %s)"
            .formatted(bundle.id(), file, line, name, value, expected));
  }
}
