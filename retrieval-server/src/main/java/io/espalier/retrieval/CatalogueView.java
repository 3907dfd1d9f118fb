package io.espalier.retrieval;

import io.espalier.bundles.BundleId;
import io.espalier.catalog.CatalogState;
import io.espalier.catalog.LoggedChange;
import io.espalier.index.ItemIds;
import io.espalier.index.live.LiveItems;
import io.espalier.index.trie.LiveTrie;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The catalogue at one offset, beside the items of the sources. Immutable.
 *
 * @param state the catalogue
 * @param indices where the items of each source that numbers its own stand in the snapshot
 */
record CatalogueView(CatalogState state, Map<ItemIds, SnapshotIndices> indices) {
  CatalogueView {
    indices = Map.copyOf(indices);
  }

  static CatalogueView of(CatalogState state, Collection<ItemIds> sources) {
    Map<ItemIds, SnapshotIndices> indices = new HashMap<>();
    for (ItemIds source : sources) {
      indices.put(source, SnapshotIndices.of(source, state.items().snapshotIds()));
    }
    return new CatalogueView(state, indices);
  }

  /** The last change that it knows. */
  long offset() {
    return state.offset();
  }

  LiveItems items() {
    return state.items();
  }

  CatalogueView with(BundleId bundle, LiveTrie trie) {
    return new CatalogueView(state.with(bundle, trie), indices);
  }

  CatalogueView with(ItemIds source) {
    Map<ItemIds, SnapshotIndices> more = new HashMap<>(indices);
    more.put(source, SnapshotIndices.of(source, items().snapshotIds()));
    return new CatalogueView(state, more);
  }

  /** The catalogue after some more changes. */
  CatalogueView after(List<LoggedChange> changes) {
    return new CatalogueView(state.after(changes), indices);
  }

  /** The same catalogue as a snapshot that nothing came after. */
  CatalogueView compacted() {
    return of(state.compacted(), indices.keySet());
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
    LiveTrie trie = state.tries().get(bundle);
    if (trie == null) {
      throw new IllegalArgumentException(
          "bundle: " + bundle + " (known: " + state.tries().keySet() + ")");
    }
    return trie;
  }
}
