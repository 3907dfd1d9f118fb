package io.espalier.retrieval;

import java.nio.FloatBuffer;

/** One request's model of the next code: what a beam search asks, level by level. */
interface StepModel {

  /** Values of a row: one for each code of a level. */
  int codes();

  /**
   * The log-probabilities of a level's codes after each prefix: {@code rows} rows of {@link #codes}
   * values. Called once for each level, in order.
   *
   * @param level the number of codes of a prefix; at level 0 there is one empty prefix
   * @param prefixes {@code rows × level} codes, row by row; more may follow
   * @param parents for each row the row of the level before that it continues; more may follow
   */
  FloatBuffer logProbs(int level, int[] prefixes, int[] parents, int rows);
}
