package io.espalier.retrieval;

import java.nio.FloatBuffer;

/** One request's model of the next code: what a beam search asks, level by level. */
interface StepModel {

  /** Values of a row. */
  int vocabulary();

  /** Where in a row code 0 of a level stands. */
  int tokenOffset(int level);

  /**
   * The log-probabilities of a level's tokens after each prefix: {@code rows} rows of {@link
   * #vocabulary} values. Called once for each level, in order.
   *
   * @param level the number of codes of a prefix; at level 0 there is one empty prefix
   * @param prefixes {@code rows × level} codes, row by row; more may follow
   */
  FloatBuffer logProbs(int level, int[] prefixes, int rows);
}
