package io.espalier.rewrite;

import java.text.Normalizer;
import java.util.Locale;

/**
 * The form of a query that tables and caches are keyed by: NFKC, lower case, characters that are
 * not printable as blanks, runs of blanks as one, trimmed.
 *
 * <p>Not printable are, as in Python's {@code str.isprintable}, the Unicode categories Other and
 * Separator, but for the blank itself; lower case is that of no language in particular. {@code
 * docs/bundles.md} has the same rule for recipes. A table's keys are normalised again as they are
 * read, so that a table which was made by older rules still answers.
 */
final class QueryNormaliser {
  private QueryNormaliser() {}

  static String normalise(String query) {
    String folded = Normalizer.normalize(query, Normalizer.Form.NFKC).toLowerCase(Locale.ROOT);
    StringBuilder text = new StringBuilder(folded.length());
    boolean blank = false;
    for (int at = 0; at < folded.length(); ) {
      int point = folded.codePointAt(at);
      at += Character.charCount(point);
      if (point == ' ' || !isPrintable(point)) {
        blank = true;
        continue;
      }
      if (blank && !text.isEmpty()) {
        text.append(' ');
      }
      blank = false;
      text.appendCodePoint(point);
    }
    return text.toString();
  }

  private static boolean isPrintable(int point) {
    return switch (Character.getType(point)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.SURROGATE,
          Character.PRIVATE_USE,
          Character.UNASSIGNED,
          Character.SPACE_SEPARATOR,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR ->
          false;
      default -> true;
    };
  }
}
