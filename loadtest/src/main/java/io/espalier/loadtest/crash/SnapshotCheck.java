package io.espalier.loadtest.crash;

import io.espalier.catalog.Snapshot;
import io.espalier.catalog.SnapshotStore;
import io.espalier.catalog.v1.Change;
import io.espalier.catalog.v1.Item;
import io.espalier.index.live.LiveItems;
import io.espalier.loadtest.live.SyntheticCatalogue;
import io.espalier.stores.blobs.FolderBlobs;
import io.espalier.stores.catalog.CatalogItem;
import io.opentelemetry.api.OpenTelemetry;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** What a writer's newest snapshot must be, whenever it was killed: the catalogue of its offset. */
final class SnapshotCheck {
  private final SyntheticCatalogue catalogue;
  private final Path folder;
  private int looked;

  /**
   * The snapshots of a folder; a folder beside it is written to.
   *
   * @param catalogue what it was before its first change
   */
  SnapshotCheck(SyntheticCatalogue catalogue, Path folder) {
    this.catalogue = catalogue;
    this.folder = folder;
  }

  /** How often a snapshot of changes was looked at. */
  int looked() {
    return looked;
  }

  /**
   * Looks at the newest.
   *
   * @param log has been read up to its offset or beyond
   * @throws IllegalStateException when there is none, or it is not as it must be
   */
  void look(LogCheck log) throws IOException {
    SnapshotStore store =
        new SnapshotStore(
            FolderBlobs.open(folder),
            folder.resolveSibling(folder.getFileName() + "-looked-at"),
            OpenTelemetry.noop().getMeter("kill-writer"));
    Snapshot newest =
        store
            .newest(0, Long.MAX_VALUE, Set.of(SyntheticCatalogue.BUNDLE))
            .orElseThrow(() -> new IllegalStateException(folder + ": no snapshot that is sound"));
    Map<String, Item> expected = expected(log, newest.offset());
    LiveItems items = newest.state().items();
    if (items.size() != expected.size()) {
      throw wrong(newest, items.size() + " items", String.valueOf(expected.size()));
    }
    for (Map.Entry<String, Item> item : expected.entrySet()) {
      CatalogItem found =
          newest
              .item(item.getKey())
              .orElseThrow(() -> wrong(newest, "without " + item.getKey(), "with it"));
      if (!isThat(found, item.getValue())) {
        throw wrong(newest, found.toString(), item.getValue().toString());
      }
    }
    looked += newest.offset() > catalogue.size() ? 1 : 0;
    store.keepOnly(newest);
  }

  private Map<String, Item> expected(LogCheck log, long offset) {
    Map<String, Item> items = new LinkedHashMap<>();
    for (int n = 0; n < catalogue.size(); n++) {
      items.put(SyntheticCatalogue.id(n), catalogue.item(n, 0));
    }
    for (Change change : log.changes(offset)) {
      if (change.hasUpsert()) {
        items.put(change.getUpsert().getId(), change.getUpsert());
      } else {
        items.remove(change.getRemove());
      }
    }
    return items;
  }

  private static boolean isThat(CatalogItem found, Item item) {
    return found.title().equals(item.getTitle())
        && found.description().equals(item.getDescription())
        && found.brand().equals(item.getBrand())
        && found.price().orElse(-1) == item.getPrice();
  }

  private static IllegalStateException wrong(Snapshot snapshot, String found, String expected) {
    return new IllegalStateException(
        "the snapshot of offset %d: %s (expected: %s)"
            .formatted(snapshot.offset(), found, expected));
  }
}
