package io.espalier.retrieval;

import io.espalier.index.fm.LiveFm;

/**
 * An n-gram that was written.
 *
 * @param facet which it is of
 * @param tokens marks included
 * @param score the sum of its tokens' log-probabilities
 */
@SuppressWarnings("ArrayRecordComponent") // never compared
record Ngram(Facet facet, int[] tokens, double score) {

  double weight(LiveFm texts, Grounding grounding) {
    return grounding.weight(
        score + facet.bias(), texts.count(tokens), facet.rarity(), texts.size());
  }
}
