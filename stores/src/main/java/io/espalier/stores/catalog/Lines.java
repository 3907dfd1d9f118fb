package io.espalier.stores.catalog;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/** Reads a text file line by line. Blank lines are skipped and counted. */
final class Lines {
  private Lines() {}

  /** Turns a line into a value. Lines count from 1. */
  interface Parser<T> {
    T parse(String text, long line);
  }

  static <T> List<T> read(Path file, boolean header, Parser<T> parser) {
    List<T> values = new ArrayList<>();
    forEach(file, header, parser, values::add);
    return List.copyOf(values);
  }

  static <T> void forEach(Path file, boolean header, Parser<T> parser, Consumer<T> consumer) {
    long line = 0;
    try (BufferedReader reader = Files.newBufferedReader(file)) {
      for (String text = reader.readLine(); text != null; text = reader.readLine()) {
        line++;
        if (!text.isBlank() && !(header && line == 1)) {
          consumer.accept(parser.parse(text, line));
        }
      }
    } catch (CharacterCodingException e) {
      throw new InvalidDataException(file, line + 1, "not UTF-8");
    } catch (IOException e) {
      throw new InvalidDataException(file + ": cannot be read: " + e);
    }
  }

  /** The fields of a line of tab-separated values. */
  static String[] fields(Path file, long line, String text, String names) {
    String[] fields = text.split("\t", -1);
    int expected = 1 + Math.toIntExact(names.chars().filter(c -> c == ' ').count());
    if (fields.length != expected) {
      throw new InvalidDataException(
          file, line, fields.length + " fields (expected: " + expected + ", " + names + ")");
    }
    return fields;
  }

  static int integer(Path file, long line, String name, String text, int min, int max) {
    try {
      int value = Integer.parseInt(text);
      if (value >= min && value <= max) {
        return value;
      }
    } catch (NumberFormatException e) {
      // Reported below, with the same words as a value out of bounds.
    }
    throw new InvalidDataException(
        file, line, name + ": " + text + " (expected: " + min + ".." + max + ")");
  }
}
