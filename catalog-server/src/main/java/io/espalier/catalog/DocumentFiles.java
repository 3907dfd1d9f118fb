package io.espalier.catalog;

import io.espalier.catalog.SnapshotManifest.Part;
import io.espalier.stores.catalog.CatalogItem;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Writes whole items to as many files as they need, and puts those into a store. */
final class DocumentFiles implements AutoCloseable {
  private final SnapshotStore store;
  private final Supplier<String> keys;
  private final long most;
  private final Runnable pace;
  private final List<Part> parts = new ArrayList<>();
  private Documents.@Nullable Writer writer;
  private String key = "";

  /**
   * Starts.
   *
   * @param keys a name for each file
   * @param most bytes of items after which another file is begun
   */
  DocumentFiles(SnapshotStore store, Supplier<String> keys, long most, Runnable pace) {
    this.store = store;
    this.keys = keys;
    this.most = most;
    this.pace = pace;
  }

  void add(CatalogItem item) throws IOException {
    writer().add(item);
  }

  void add(String id, MemorySegment message) throws IOException {
    writer().add(id, message);
  }

  private Documents.Writer writer() throws IOException {
    Documents.Writer now = writer;
    if (now != null && now.bytes() >= most) {
      put(now);
      now = null;
    }
    return now == null ? begin() : now;
  }

  private Documents.Writer begin() throws IOException {
    key = keys.get();
    Documents.Writer begun = new Documents.Writer(store.fileOf(key));
    writer = begun;
    return begun;
  }

  private void put(Documents.Writer written) throws IOException {
    written.write(pace);
    written.close();
    writer = null;
    parts.add(store.put(key));
  }

  /** Puts the last one, and returns all; one at least, also of no items. */
  List<Part> parts() throws IOException {
    Documents.Writer rest = writer;
    put(rest == null ? begin() : rest);
    return List.copyOf(parts);
  }

  @Override
  public void close() throws IOException {
    Documents.Writer open = writer;
    if (open != null) {
      open.close();
    }
  }
}
