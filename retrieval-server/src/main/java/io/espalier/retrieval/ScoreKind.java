package io.espalier.retrieval;

/** What a source's scores mean. */
enum ScoreKind {
  /** Natural logarithm of a probability. */
  LOG_PROBABILITY,
  /** Inner product. */
  SIMILARITY,
  BM25,
  /** Count of past interactions. */
  POPULARITY,
  /** Natural logarithm of a product of softmaxes over what one answer considered. */
  BEAM_FUSION,
  /** Weight of the n-grams that speak for an item. */
  GROUNDING
}
