package io.espalier.shop;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Reads the shop's word lists: lines without comments and blank lines. */
final class Resources {
  private Resources() {}

  static List<String> lines(String name) {
    try (InputStream in = Resources.class.getResourceAsStream(name)) {
      if (in == null) {
        throw new IllegalStateException("resource: " + name + " (expected: on the class path)");
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8)
          .lines()
          .filter(line -> !line.isBlank() && !line.startsWith("#"))
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(name, e);
    }
  }

  /** The columns of each line; a line with another number of columns is an error. */
  static List<List<String>> table(String name, int columns) {
    return lines(name).stream()
        .map(
            line -> {
              List<String> cells = List.of(line.split("\t", -1));
              if (cells.size() != columns) {
                throw new IllegalStateException(
                    name + ": " + line + " (expected: " + columns + " columns)");
              }
              return cells;
            })
        .toList();
  }
}
