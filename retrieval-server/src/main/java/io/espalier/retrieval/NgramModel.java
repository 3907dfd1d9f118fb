package io.espalier.retrieval;

import java.nio.FloatBuffer;

/** One request's model of the next token: what an n-gram search asks, step by step. */
interface NgramModel {

  /** Values of a row: one for each token. */
  int tokens();

  /**
   * The log-probabilities of the tokens after some more: a row for each.
   *
   * @param read the token that each row reads
   * @param parents for each row the row of the step before that it continues; at the first step
   *     there is none, and what stands here does not matter
   */
  FloatBuffer logProbs(int[] read, int[] parents);
}
