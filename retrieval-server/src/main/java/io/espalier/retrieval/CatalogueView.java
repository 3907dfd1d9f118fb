package io.espalier.retrieval;

import io.espalier.bundles.BundleId;
import io.espalier.index.ItemIds;
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
 * @param indices where the items of each source that numbers its own stand in the snapshot
 */
record CatalogueView(
    long offset,
    LiveItems items,
    Map<BundleId, LiveTrie> tries,
    Map<ItemIds, SnapshotIndices> indices) {
  CatalogueView {
    tries = Map.copyOf(tries);
    indices = Map.copyOf(indices);
  }

  CatalogueView with(BundleId bundle, LiveTrie trie) {
    Map<BundleId, LiveTrie> more = new HashMap<>(tries);
    more.put(bundle, trie);
    return new CatalogueView(offset, items, more, indices);
  }

  CatalogueView with(ItemIds source) {
    Map<ItemIds, SnapshotIndices> more = new HashMap<>(indices);
    more.put(source, SnapshotIndices.of(source, items.snapshotIds()));
    return new CatalogueView(offset, items, tries, more);
  }

  /** The same catalogue as a snapshot that nothing came after. */
  CatalogueView compacted() {
    LiveItems.Compacted compacted = items.compacted();
    Map<BundleId, LiveTrie> ofSnapshot = new HashMap<>();
    tries.forEach((bundle, trie) -> ofSnapshot.put(bundle, trie.compacted(compacted.numbers())));
    CatalogueView view = new CatalogueView(offset, compacted.items(), ofSnapshot, Map.of());
    for (ItemIds source : indices.keySet()) {
      view = view.with(source);
    }
    return view;
  }

  /** Where the items of a source that was added to the catalogue stand in the snapshot. */
  SnapshotIndices indices(ItemIds source) {
    SnapshotIndices found = indices.get(source);
    if (found == null) {
      throw new IllegalArgumentException("source: not added to the catalogue");
    }
    return found;
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
