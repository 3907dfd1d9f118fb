package io.espalier.bundles;

import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;

/** The known name that a mistyped one was most likely meant to be, by edit distance. */
final class NearestName {
  private NearestName() {}

  static String of(String written, Collection<String> known) {
    return known.stream().min(Comparator.comparingInt(name -> distance(written, name))).orElse("");
  }

  private static int distance(String a, String b) {
    int[] row = new int[b.length() + 1];
    Arrays.setAll(row, i -> i);
    for (int i = 1; i <= a.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int change = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        diagonal = row[j];
        row[j] = Math.min(change, 1 + Math.min(row[j - 1], row[j]));
      }
    }
    return row[b.length()];
  }
}
