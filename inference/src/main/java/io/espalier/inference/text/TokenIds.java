package io.espalier.inference.text;

import io.espalier.inference.Tensor;

/**
 * A text as a model's input.
 *
 * @param ids INT64 [1, tokens], special tokens included
 * @param mask INT64 [1, tokens], all 1
 */
public record TokenIds(Tensor ids, Tensor mask) {
  /** Number of tokens. */
  public int length() {
    return ids.dim(1);
  }
}
