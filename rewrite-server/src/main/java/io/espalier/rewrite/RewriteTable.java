package io.espalier.rewrite;

import io.espalier.bundles.BundleException;
import io.espalier.rewrite.Rewrite.Origin;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Rewrites that were made offline, by normalised query, in the order of their file: best first. */
final class RewriteTable {
  private static final Set<String> PERSONAS =
      Set.of("middle-aged-man", "middle-aged-woman", "student", "elder");

  private final Map<String, List<Rewrite>> rewrites;

  private RewriteTable(Map<String, List<Rewrite>> rewrites) {
    this.rewrites = rewrites;
  }

  /** A table of nothing. */
  static RewriteTable empty() {
    return new RewriteTable(Map.of());
  }

  /** Reads {@code query, rewrite, relevance, increment, hitrate}; the score is the relevance. */
  static RewriteTable readBeque(Path file) {
    return read(
        file,
        "query rewrite relevance increment hitrate",
        (fields, line) -> {
          number(file, line, "increment", fields[3]);
          number(file, line, "hitrate", fields[4]);
          return new Rewrite(
              fields[1], Origin.TABLE, "", number(file, line, "relevance", fields[2]));
        });
  }

  /** Reads {@code query, persona, rewrite, same meaning, overlap}; the score is the meaning's. */
  static RewriteTable readPersonas(Path file) {
    return read(
        file,
        "query persona rewrite same-meaning overlap",
        (fields, line) -> {
          if (!PERSONAS.contains(fields[1])) {
            throw invalid(file, line, "persona", fields[1], "one of " + PERSONAS);
          }
          number(file, line, "overlap", fields[4]);
          return new Rewrite(
              fields[2], Origin.TABLE, fields[1], number(file, line, "same-meaning", fields[3]));
        });
  }

  /** Rewrites of a query; empty when the table has none. */
  List<Rewrite> get(String normalisedQuery) {
    return rewrites.getOrDefault(normalisedQuery, List.of());
  }

  int size() {
    return rewrites.size();
  }

  private interface Row {
    Rewrite read(String[] fields, long line);
  }

  private static RewriteTable read(Path file, String columns, Row row) {
    int expected = columns.split(" ", -1).length;
    Map<String, List<Rewrite>> table = new HashMap<>();
    long line = 0;
    try (BufferedReader reader = Files.newBufferedReader(file)) {
      for (String text = reader.readLine(); text != null; text = reader.readLine()) {
        line++;
        if (text.isEmpty()) {
          continue;
        }
        String[] fields = text.split("\t", -1);
        if (fields.length != expected) {
          throw invalid(
              file, line, "fields", Integer.toString(fields.length), expected + ": " + columns);
        }
        Rewrite rewrite = row.read(fields, line);
        if (rewrite.text().isBlank()) {
          throw invalid(file, line, "rewrite", "blank", "words");
        }
        String key = QueryNormaliser.normalise(fields[0]);
        table.computeIfAbsent(key, unused -> new ArrayList<>(4)).add(rewrite);
      }
    } catch (IOException e) {
      throw new BundleException(file + ":" + (line + 1) + ": cannot be read", e);
    }
    table.replaceAll((key, rows) -> List.copyOf(rows));
    return new RewriteTable(table);
  }

  private static double number(Path file, long line, String name, String text) {
    try {
      double value = Double.parseDouble(text);
      if (Double.isFinite(value)) {
        return value;
      }
    } catch (NumberFormatException e) {
      // Reported below, as values that are not finite are.
    }
    throw invalid(file, line, name, text, "a number");
  }

  private static BundleException invalid(
      Path file, long line, String name, String value, String expected) {
    return new BundleException(
        file + ":" + line + ": " + name + ": " + value + " (expected: " + expected + ")");
  }
}
