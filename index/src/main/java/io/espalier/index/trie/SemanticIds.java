package io.espalier.index.trie;

import io.espalier.index.ItemIds;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** Reads a table of semantic ids: {@code external id<TAB>c1 c2 …}, one item a line. */
public final class SemanticIds {
  private SemanticIds() {}

  /**
   * Reads the codes in the order of {@code items}.
   *
   * @return {@code levels} codes an item, −1 for items that the file does not name
   * @throws IOException when a line is malformed, or names an unknown item or an item again
   */
  public static int[] read(Path file, ItemIds items, int levels) throws IOException {
    int[] codes = new int[Math.multiplyExact(items.size(), levels)];
    Arrays.fill(codes, -1);
    List<String> lines = Files.readAllLines(file);
    for (int n = 0; n < lines.size(); n++) {
      String line = lines.get(n);
      int tab = line.indexOf('\t');
      int item = tab < 0 ? -1 : items.indexOf(line.substring(0, tab));
      if (item < 0 || codes[item * levels] != -1) {
        throw new IOException(
            file + ":" + (n + 1) + ": " + line + " (expected: a known item, once, TAB, codes)");
      }
      String[] parts = line.substring(tab + 1).split(" ", -1);
      if (parts.length != levels) {
        throw new IOException(
            file + ":" + (n + 1) + ": " + parts.length + " codes (expected: " + levels + ")");
      }
      for (int d = 0; d < levels; d++) {
        codes[item * levels + d] = code(parts[d], file, n + 1);
      }
    }
    return codes;
  }

  private static int code(String text, Path file, int line) throws IOException {
    try {
      int code = Integer.parseInt(text);
      if (code >= 0) {
        return code;
      }
    } catch (NumberFormatException e) {
      // Reported below, with negative codes.
    }
    throw new IOException(file + ":" + line + ": code " + text + " (expected: >= 0)");
  }
}
