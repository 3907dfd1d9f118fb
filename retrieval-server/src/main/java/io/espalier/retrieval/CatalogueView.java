package io.espalier.retrieval;

import io.espalier.bundles.BundleId;
import io.espalier.index.live.LiveItems;
import io.espalier.index.trie.LiveTrie;
import java.util.HashMap;
import java.util.Map;

/**
 * The catalogue at one offset. Immutable.
 *
 * @param offset the last change that it knows
 * @param items its items
 * @param tries their semantic ids in each bundle that has some
 */
record CatalogueView(long offset, LiveItems items, Map<BundleId, LiveTrie> tries) {
  CatalogueView {
    tries = Map.copyOf(tries);
  }

  CatalogueView with(BundleId bundle, LiveTrie trie) {
    Map<BundleId, LiveTrie> more = new HashMap<>(tries);
    more.put(bundle, trie);
    return new CatalogueView(offset, items, more);
  }

  /** The semantic ids of a bundle that was added to the catalogue. */
  LiveTrie trie(BundleId bundle) {
    LiveTrie trie = tries.get(bundle);
    if (trie == null) {
      throw new IllegalArgumentException("bundle: " + bundle + " (known: " + tries.keySet() + ")");
    }
    return trie;
  }
}
