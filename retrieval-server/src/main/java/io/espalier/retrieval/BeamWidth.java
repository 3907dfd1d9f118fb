package io.espalier.retrieval;

import io.espalier.bundles.Bundle;

/**
 * How many beams a generative source searches with.
 *
 * @param own where a question does not say: 1..{@value Question#MAX_BEAM_WIDTH}
 */
record BeamWidth(int own) {

  /**
   * Reads a bundle's.
   *
   * @param otherwise where it does not say
   */
  static BeamWidth of(Bundle bundle, int otherwise) {
    int own = bundle.parameters().integer("beam", otherwise);
    if (own < 1 || own > Question.MAX_BEAM_WIDTH) {
      throw bundle.parameters().wrong("beam", own, "1.." + Question.MAX_BEAM_WIDTH);
    }
    return new BeamWidth(own);
  }

  /** What a question asks for, or the bundle's own. */
  int asked(Question question) {
    return question.beamWidth() == 0 ? own : question.beamWidth();
  }
}
