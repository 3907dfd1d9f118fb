package io.espalier.retrieval;

/** How the beams of a generative source are found; either way they are the same. */
public enum Decoder {
  /** Level by level, one model call each. */
  STEPWISE,
  /** By a graph that is the whole search; a question beyond its limits goes stepwise. */
  FUSED
}
