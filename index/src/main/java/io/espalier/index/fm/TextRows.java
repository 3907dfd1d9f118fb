package io.espalier.index.fm;

import io.espalier.index.trie.Continuations;

/**
 * Texts whose patterns are ranges of rows: a row is a place where the pattern occurs. A range is a
 * long, its first row in the upper half and the row after its last in the lower.
 */
interface TextRows {
  /** The range of the empty pattern. */
  long all();

  /** The range of a pattern; {@link FmIndex#NONE} when it occurs nowhere. */
  long find(int... pattern);

  /**
   * The range of a pattern and one token more after it; {@link FmIndex#NONE} when it occurs
   * nowhere.
   *
   * @param length tokens of the pattern
   */
  long extend(long range, int length, int token);

  /**
   * Adds the tokens {@code low … high − 1} that occur after a pattern, ascending, and the ranges of
   * the patterns that they make.
   *
   * @param length tokens of the pattern
   */
  void expand(long range, int length, int low, int high, Continuations out);

  /** The number of the item that a row's pattern occurs in. */
  int item(int row);
}
