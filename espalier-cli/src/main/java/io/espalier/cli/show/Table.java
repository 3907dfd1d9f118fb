package io.espalier.cli.show;

import java.util.ArrayList;
import java.util.List;

/**
 * Rows of text in aligned columns; the last column is cut at the terminal's edge, one other may be
 * told to shrink.
 */
public final class Table {
  /** How a column's cells stand. */
  public enum Side {
    LEFT,
    RIGHT
  }

  private record Column(String title, Side side, int widest) {}

  private static final String GAP = "  ";

  private final List<Column> columns = new ArrayList<>();
  private final List<List<String>> rows = new ArrayList<>();

  /** Adds a column. */
  public Table column(String title, Side side) {
    return column(title, side, Integer.MAX_VALUE);
  }

  /** Adds a column whose cells are cut (with an ellipsis) after {@code widest} characters. */
  public Table column(String title, Side side, int widest) {
    columns.add(new Column(title, side, widest));
    return this;
  }

  /** Adds a row: one cell a column. */
  public Table row(List<String> cells) {
    if (cells.size() != columns.size()) {
      throw new IllegalArgumentException(
          "cells: " + cells.size() + " (expected: " + columns.size() + ")");
    }
    rows.add(List.copyOf(cells));
    return this;
  }

  /** Adds a row: one cell a column. */
  public Table row(String... cells) {
    return row(List.of(cells));
  }

  /** The table's lines, header first; no line is longer than {@code width}. */
  public List<String> lines(int width) {
    int[] widths = new int[columns.size()];
    for (int c = 0; c < widths.length; c++) {
      int cell = c;
      int longest = rows.stream().mapToInt(row -> length(row.get(cell))).max().orElse(0);
      widths[c] =
          Math.min(columns.get(c).widest(), Math.max(length(columns.get(c).title()), longest));
    }
    List<String> lines = new ArrayList<>();
    lines.add(line(columns.stream().map(Column::title).toList(), widths, width));
    for (List<String> row : rows) {
      lines.add(line(row, widths, width));
    }
    return lines;
  }

  private String line(List<String> cells, int[] widths, int width) {
    StringBuilder line = new StringBuilder();
    for (int c = 0; c < cells.size(); c++) {
      String cell = cut(cells.get(c), widths[c]);
      String blanks = " ".repeat(widths[c] - length(cell));
      line.append(c == 0 ? "" : GAP);
      line.append(columns.get(c).side() == Side.RIGHT ? blanks + cell : cell + blanks);
    }
    return cut(line.toString().stripTrailing(), width);
  }

  private static int length(String text) {
    return text.codePointCount(0, text.length());
  }

  private static String cut(String text, int width) {
    return length(text) <= width
        ? text
        : text.substring(0, text.offsetByCodePoints(0, Math.max(0, width - 1))) + "…";
  }
}
