package io.espalier.index.fm;

import java.util.Arrays;
import java.util.BitSet;

/**
 * Suffix arrays in linear time by induced sorting, SA-IS (Nong, Zhang and Chan, 2009).
 *
 * <p>A suffix is of type S when it is smaller than the one that begins a place later, else of type
 * L. Of the leftmost suffixes of each run of S, LMS for short, there are at most half as many as
 * places; once they are in order, one pass upwards puts the L suffixes in order and one pass
 * downwards the S suffixes. The LMS suffixes are put in order by the same two passes over the
 * strings between them and, where two of those are equal, by sorting the shorter text of their
 * ranks.
 */
final class SuffixArray {
  private static final int EMPTY = -1;

  private final int[] text;
  private final int[] sa;
  private final BitSet small;
  // By symbol: where its suffixes begin; one more, so that they end where the next one's begin.
  private final int[] starts;
  private final int[] places;

  private SuffixArray(int[] text, int symbols) {
    this.text = text;
    this.sa = new int[text.length];
    this.small = new BitSet(text.length);
    this.starts = new int[symbols + 1];
    this.places = new int[symbols];
    for (int symbol : text) {
      starts[symbol + 1]++;
    }
    for (int symbol = 0; symbol < symbols; symbol++) {
      starts[symbol + 1] += starts[symbol];
    }
    small.set(text.length - 1);
    for (int i = text.length - 2; i >= 0; i--) {
      if (text[i] < text[i + 1] || (text[i] == text[i + 1] && small.get(i + 1))) {
        small.set(i);
      }
    }
  }

  /**
   * Where the suffixes of a text begin, in the order of the suffixes.
   *
   * @param text symbols 0 to {@code symbols − 1}; the last one is 0, and no other is
   */
  static int[] of(int[] text, int symbols) {
    if (text.length == 0 || text[text.length - 1] != 0) {
      throw new IllegalArgumentException(
          "text: " + text.length + " symbols (expected: at least 1, the last of them 0)");
    }
    if (text.length == 1) {
      return new int[1];
    }
    SuffixArray array = new SuffixArray(text, symbols);
    array.sort();
    return array.sa;
  }

  private void sort() {
    int[] lms = leftmost();
    Arrays.fill(sa, EMPTY);
    toEnds();
    for (int at : lms) {
      sa[--places[text[at]]] = at;
    }
    induce();
    int[] sorted = inOrder(lms);
    Arrays.fill(sa, EMPTY);
    toEnds();
    for (int i = sorted.length - 1; i >= 0; i--) {
      sa[--places[text[sorted[i]]]] = sorted[i];
    }
    induce();
  }

  private int[] leftmost() {
    int[] lms = new int[text.length / 2 + 1];
    int n = 0;
    for (int i = 1; i < text.length; i++) {
      if (isLeftmost(i)) {
        lms[n++] = i;
      }
    }
    return Arrays.copyOf(lms, n);
  }

  private boolean isLeftmost(int at) {
    return at > 0 && small.get(at) && !small.get(at - 1);
  }

  private void toEnds() {
    System.arraycopy(starts, 1, places, 0, places.length);
  }

  private void induce() {
    System.arraycopy(starts, 0, places, 0, places.length);
    for (int i = 0; i < sa.length; i++) {
      int at = sa[i] - 1;
      if (at >= 0 && !small.get(at)) {
        sa[places[text[at]]++] = at;
      }
    }
    toEnds();
    for (int i = sa.length - 1; i >= 0; i--) {
      int at = sa[i] - 1;
      if (at >= 0 && small.get(at)) {
        sa[--places[text[at]]] = at;
      }
    }
  }

  /** The LMS places in the order of their suffixes, once the strings between them are in order. */
  private int[] inOrder(int[] lms) {
    // By place / 2, since no two LMS places are neighbours.
    int[] names = new int[text.length / 2 + 1];
    int name = -1;
    int before = EMPTY;
    for (int at : sa) {
      if (isLeftmost(at)) {
        if (before == EMPTY || !sameString(before, at)) {
          name++;
        }
        names[at >>> 1] = name;
        before = at;
      }
    }
    int[] shorter = new int[lms.length];
    for (int i = 0; i < lms.length; i++) {
      shorter[i] = names[lms[i] >>> 1];
    }
    int[] sorted = new int[lms.length];
    if (name + 1 < lms.length) {
      int[] order = of(shorter, name + 1);
      for (int i = 0; i < order.length; i++) {
        sorted[i] = lms[order[i]];
      }
    } else {
      for (int i = 0; i < lms.length; i++) {
        sorted[shorter[i]] = lms[i];
      }
    }
    return sorted;
  }

  /** Whether the strings from two LMS places to the next ones are the same. */
  private boolean sameString(int first, int second) {
    for (int i = 0; ; i++) {
      int a = first + i;
      int b = second + i;
      if (a == text.length || b == text.length || text[a] != text[b]) {
        return false;
      }
      if (i > 0) {
        boolean ends = isLeftmost(a);
        if (ends || isLeftmost(b)) {
          return ends && isLeftmost(b);
        }
      }
    }
  }
}
