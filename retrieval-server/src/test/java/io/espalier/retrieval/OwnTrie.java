package io.espalier.retrieval;

import io.espalier.index.ItemIds;
import io.espalier.index.trie.SemanticIdTrie;
import java.util.List;
import java.util.function.Supplier;

/** The ids of a bundle that knows the items of the first snapshot alone, by their order in it. */
record OwnTrie(Supplier<SemanticIdTrie> first) implements Catalogue.OwnIds {
  static OwnTrie of(Supplier<SemanticIdTrie> first) {
    return new OwnTrie(first);
  }

  @Override
  public SemanticIdTrie trie(ItemIds items) {
    return first.get();
  }

  @Override
  public IdShape shape() {
    return new IdShape(first.get().levels(), Integer.MAX_VALUE);
  }

  @Override
  public List<Integer> of(String id) {
    return List.of();
  }
}
