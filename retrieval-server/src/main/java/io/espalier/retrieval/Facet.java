package io.espalier.retrieval;

import io.espalier.index.fm.Ngrams;
import java.util.List;

/**
 * What TransRec writes of an item.
 *
 * @param name for explanations
 * @param prompt the token that the decoder reads first
 * @param ngrams which n-grams are written
 * @param bias added to their log-probabilities
 * @param rarity their weight is that of an n-gram so many times rarer
 */
record Facet(String name, int prompt, Ngrams ngrams, double bias, double rarity) {

  /**
   * The three facets over the tokens of {@link ItemTokens}.
   *
   * @param biases of id, attribute and title
   */
  static List<Facet> all(ItemTokens.Layout tokens, double... biases) {
    int first = tokens.firstText();
    return List.of(
        new Facet(
            "id",
            ItemTokens.ID,
            new Ngrams(ItemTokens.ID, ItemTokens.FIRST_CODE, first, ItemTokens.ATTRIBUTE, 10),
            biases[0],
            1),
        new Facet(
            "attribute",
            ItemTokens.ATTRIBUTE,
            new Ngrams(ItemTokens.ATTRIBUTE, first, tokens.size(), ItemTokens.TITLE, 15),
            biases[1],
            100),
        new Facet(
            "title", ItemTokens.START, new Ngrams(-1, first, tokens.size(), -1, 10), biases[2], 1));
  }
}
