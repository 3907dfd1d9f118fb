package io.espalier.catalog;

import io.espalier.bundles.BundleId;
import io.espalier.stores.catalog.CatalogItem;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A published snapshot, mapped. It stays readable whatever becomes of its files, until the garbage
 * collector finds nobody reading it.
 */
public final class Snapshot {
  private final SnapshotManifest manifest;
  private final CatalogState state;
  private final SnapshotStore store;
  private @Nullable Documents documents;

  Snapshot(SnapshotManifest manifest, CatalogState state, SnapshotStore store) {
    this.manifest = manifest;
    this.state = state;
    this.store = store;
  }

  SnapshotManifest manifest() {
    return manifest;
  }

  /** The last change that it knows. */
  public long offset() {
    return manifest.offset();
  }

  /** The last change that it knows, as the log has it. */
  public LogPlace place() {
    return manifest.place();
  }

  /** What can be searched of it. */
  public CatalogState state() {
    return state;
  }

  /** Its whole items, fetched when they are first asked for. */
  synchronized Documents documents() throws IOException {
    Documents opened = documents;
    if (opened == null) {
      opened = store.openDocuments(manifest);
      documents = opened;
    }
    return opened;
  }

  /**
   * Fetches its whole items now.
   *
   * @throws IOException when they cannot be fetched or do not verify
   */
  public Snapshot withItems() throws IOException {
    documents();
    return this;
  }

  /**
   * An item as its owner described it; empty when the catalogue does not have it.
   *
   * @throws IOException when the items cannot be fetched or do not verify
   */
  public Optional<CatalogItem> item(String id) throws IOException {
    return state.items().indexOf(id) < 0 ? Optional.empty() : documents().item(id);
  }

  /** An item, by index, as the change that would make it so. */
  CatalogChange.Upsert upsert(int index) {
    String id = state.items().id(index);
    CatalogItem item;
    try {
      item =
          documents().item(id).orElseThrow(() -> new IllegalStateException(id + ": no document"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    Map<BundleId, List<Integer>> ids = new HashMap<>();
    state
        .tries()
        .forEach(
            (bundle, trie) -> {
              if (trie.contains(index)) {
                ids.put(bundle, Arrays.stream(trie.semanticId(index)).boxed().toList());
              }
            });
    return new CatalogChange.Upsert(item, ids);
  }

  /** The same content as the catalogue's at another offset. */
  Snapshot at(SnapshotManifest other) throws IOException {
    Snapshot same = new Snapshot(other, state.at(other.offset()), store);
    same.documents = documents();
    return same;
  }
}
