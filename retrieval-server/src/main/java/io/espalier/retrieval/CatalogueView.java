package io.espalier.retrieval;

import io.espalier.bundles.BundleId;
import io.espalier.catalog.CatalogState;
import io.espalier.catalog.LoggedChange;
import io.espalier.index.ItemIds;
import io.espalier.index.fm.LiveFm;
import io.espalier.index.live.LiveItems;
import io.espalier.index.trie.LiveTrie;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The catalogue at one offset, beside the items of the sources. Immutable.
 *
 * @param state the catalogue
 * @param indices where the items of each source that numbers its own stand in the snapshot
 * @param texts the items' texts for each source that searches them
 */
record CatalogueView(
    CatalogState state, Map<ItemIds, SnapshotIndices> indices, Map<KnownTexts, LiveFm> texts) {
  CatalogueView {
    indices = Map.copyOf(indices);
    texts = Map.copyOf(texts);
  }

  /** A catalogue without sources. */
  static CatalogueView of(CatalogState state) {
    return new CatalogueView(state, Map.of(), Map.of());
  }

  /** Another catalogue, a snapshot that nothing came after, beside the same sources. */
  CatalogueView over(CatalogState snapshot) {
    CatalogueView over = of(snapshot);
    for (ItemIds source : indices.keySet()) {
      over = over.with(source, SnapshotIndices.of(source, snapshot.items().snapshotIds()));
    }
    for (KnownTexts known : texts.keySet()) {
      over = over.with(known, known.index(snapshot));
    }
    return over;
  }

  /** The last change that it knows. */
  long offset() {
    return state.offset();
  }

  LiveItems items() {
    return state.items();
  }

  CatalogueView with(BundleId bundle, LiveTrie trie) {
    return new CatalogueView(state.with(bundle, trie), indices, texts);
  }

  CatalogueView with(ItemIds source, SnapshotIndices ofSource) {
    Map<ItemIds, SnapshotIndices> more = new HashMap<>(indices);
    more.put(source, ofSource);
    return new CatalogueView(state, more, texts);
  }

  CatalogueView with(KnownTexts known, LiveFm index) {
    Map<KnownTexts, LiveFm> more = new HashMap<>(texts);
    more.put(known, index);
    return new CatalogueView(state, indices, more);
  }

  /** The same catalogue beside some of its sources alone. */
  CatalogueView retaining(Set<BundleId> bundles, Set<ItemIds> sources, Set<KnownTexts> known) {
    Map<ItemIds, SnapshotIndices> fewer = new HashMap<>(indices);
    fewer.keySet().retainAll(sources);
    Map<KnownTexts, LiveFm> fewerTexts = new HashMap<>(texts);
    fewerTexts.keySet().retainAll(known);
    return new CatalogueView(state.only(bundles), fewer, fewerTexts);
  }

  /** The snapshot under it as a catalogue of its own, which is of this offset. */
  CatalogState snapshotOnly(long offset) {
    Map<BundleId, LiveTrie> tries = new HashMap<>();
    state.tries().forEach((bundle, trie) -> tries.put(bundle, LiveTrie.of(trie.snapshot())));
    return new CatalogState(offset, LiveItems.of(items().snapshot()), tries);
  }

  /** The catalogue after some more changes. */
  CatalogueView after(List<LoggedChange> changes) {
    if (changes.isEmpty()) {
      return this;
    }
    CatalogState after = state.after(changes);
    Map<KnownTexts, LiveFm> written = new HashMap<>();
    texts.forEach(
        (known, index) -> written.put(known, known.after(index, items(), changes, after)));
    return new CatalogueView(after, indices, written);
  }

  /** The same catalogue as a snapshot that nothing came after. */
  CatalogueView compacted() {
    return over(state.compacted());
  }

  /** Where the items of a source that was added to the catalogue stand in the snapshot. */
  SnapshotIndices indices(ItemIds source) {
    SnapshotIndices found = indices.get(source);
    if (found == null) {
      throw new IllegalArgumentException("source: not added to the catalogue");
    }
    return found;
  }

  /** The texts of a source that was added to the catalogue. */
  LiveFm texts(KnownTexts known) {
    LiveFm found = texts.get(known);
    if (found == null) {
      throw new IllegalArgumentException("texts: not added to the catalogue");
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
