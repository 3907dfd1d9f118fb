package io.espalier.catalog;

import io.espalier.bundles.BundleId;
import io.espalier.catalog.SnapshotManifest.Part;
import io.espalier.index.live.LiveItems;
import io.espalier.stores.catalog.CatalogItem;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.roaringbitmap.PeekableIntIterator;

/** Writes the files of a new snapshot and puts them into a store. */
final class SnapshotFiles {
  // More files of documents than this that are not full are made anew, or when what they have twice
  // is as much again.
  private static final int MOST_DOCUMENT_FILES = 8;
  // A file with so much in it is full: no store takes one of any size.
  private static final long FULL_BYTES = 1L << 30;

  private final SnapshotStore store;
  private final Runnable pace;
  private final LogPlace place;
  private final long fullBytes;
  // What was begun; of a snapshot that comes to nothing it is deleted.
  private final List<String> begun = new ArrayList<>();

  SnapshotFiles(SnapshotStore store, LogPlace place, Runnable pace) {
    this(store, place, pace, FULL_BYTES);
  }

  SnapshotFiles(SnapshotStore store, LogPlace place, Runnable pace, long fullBytes) {
    this.store = store;
    this.place = place;
    this.pace = pace;
    this.fullBytes = fullBytes;
  }

  /** The first snapshot: items that no change came to. */
  SnapshotManifest write(CatalogState state, List<CatalogItem> items, long nowMillis)
      throws IOException {
    return orNothing(
        () -> {
          List<Part> documents =
              documents(
                  to -> {
                    for (CatalogItem item : items) {
                      to.add(item);
                      pace.run();
                    }
                  });
          return write(state, state.offset(), documents, nowMillis);
        });
  }

  private interface Attempt {
    SnapshotManifest write() throws IOException;
  }

  private SnapshotManifest orNothing(Attempt attempt) throws IOException {
    try {
      return attempt.write();
    } catch (IOException | RuntimeException | Error e) {
      store.discard(begun);
      throw e;
    }
  }

  private String newKey(String name) {
    String key = store.newKey(place.offset(), name);
    begun.add(key);
    return key;
  }

  /**
   * The next snapshot.
   *
   * @param state the catalogue from now on
   * @param before the snapshot before
   * @param changes what came since
   */
  SnapshotManifest write(
      CatalogState state, Snapshot before, List<LoggedChange> changes, long nowMillis)
      throws IOException {
    return orNothing(() -> writeNext(state, before, changes, nowMillis));
  }

  private SnapshotManifest writeNext(
      CatalogState state, Snapshot before, List<LoggedChange> changes, long nowMillis)
      throws IOException {
    Map<String, CatalogItem> changed = new HashMap<>();
    for (LoggedChange logged : changes) {
      if (logged.change() instanceof CatalogChange.Upsert upsert) {
        changed.put(upsert.id(), upsert.item());
      }
    }
    List<Part> documents = new ArrayList<>(before.manifest().documents());
    long size = before.documents().size() + changed.size();
    long unfilled = documents.stream().filter(part -> part.bytes() < fullBytes).count();
    if (unfilled >= MOST_DOCUMENT_FILES || size > 2L * state.items().size()) {
      documents = documents(to -> addAll(state.items(), before.documents(), changed, to));
    } else if (!changed.isEmpty()) {
      documents.addAll(
          documents(
              to -> {
                for (CatalogItem item : changed.values()) {
                  to.add(item);
                }
              }));
    }
    return write(state, before.manifest().origin(), documents, nowMillis);
  }

  private void addAll(
      LiveItems items, Documents before, Map<String, CatalogItem> changed, DocumentFiles to)
      throws IOException {
    for (PeekableIntIterator all = items.all().getIntIterator(); all.hasNext(); pace.run()) {
      String id = items.id(all.next());
      CatalogItem item = changed.get(id);
      if (item != null) {
        to.add(item);
      } else {
        to.add(
            id,
            before.message(id).orElseThrow(() -> new IllegalStateException(id + ": no document")));
      }
    }
  }

  private interface Adder {
    void addTo(DocumentFiles documents) throws IOException;
  }

  private List<Part> documents(Adder adder) throws IOException {
    try (DocumentFiles documents =
        new DocumentFiles(store, () -> newKey("documents"), fullBytes, pace)) {
      adder.addTo(documents);
      return documents.parts();
    }
  }

  private SnapshotManifest write(
      CatalogState state, long origin, List<Part> documents, long nowMillis) throws IOException {
    Map<BundleId, Part> tries = new TreeMap<>();
    Part items;
    String itemsKey = newKey("items");
    // What is made here is read through the files from then on: its memory is given back at once,
    // but for the tries', which wait for the collector.
    try (Arena arena = Arena.ofShared()) {
      CatalogState compacted = state.compacted(arena, pace);
      compacted.items().snapshot().write(store.fileOf(itemsKey), pace);
      items = store.put(itemsKey);
      for (BundleId bundle : compacted.tries().keySet()) {
        String key = newKey("trie-" + bundle);
        compacted.tries().get(bundle).snapshot().write(store.fileOf(key), pace);
        tries.put(bundle, store.put(key));
      }
    }
    return new SnapshotManifest(
        place, origin, nowMillis, state.items().size(), items, tries, documents);
  }
}
