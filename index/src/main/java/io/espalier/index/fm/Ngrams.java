package io.espalier.index.fm;

/**
 * Which patterns a search writes.
 *
 * @param start the token that all begin with; −1 when they begin anywhere
 * @param low tokens {@code low … high − 1} follow it
 * @param high see {@code low}
 * @param end the token, below {@code low}, that ends a pattern after at least one such token; −1
 *     when a pattern may end anywhere
 * @param most tokens of a pattern at most
 */
public record Ngrams(int start, int low, int high, int end, int most) {
  public Ngrams {
    if (low >= high || end >= low || most < 1) {
      throw new IllegalArgumentException(
          "n-grams: tokens "
              + low
              + ".."
              + (high - 1)
              + " ended by "
              + end
              + ", at most "
              + most
              + " (expected: a range, an end below it, at least 1)");
    }
  }
}
