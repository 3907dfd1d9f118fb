package io.espalier.catalog;

import io.espalier.stores.blobs.BlobStore;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** A store that takes so many files and no more, and does not give one key. */
final class FlakyBlobs implements BlobStore {
  private final BlobStore blobs;
  int takes = Integer.MAX_VALUE;
  String unreadable = "";

  FlakyBlobs(BlobStore blobs) {
    this.blobs = blobs;
  }

  @Override
  public void put(String key, Path file) throws IOException {
    if (takes-- <= 0) {
      throw new IOException(key + ": the store is away");
    }
    blobs.put(key, file);
  }

  @Override
  public void get(String key, Path file) throws IOException {
    if (key.equals(unreadable)) {
      throw new IOException(key + ": its checksum is wrong");
    }
    blobs.get(key, file);
  }

  @Override
  public List<String> list(String prefix) throws IOException {
    return blobs.list(prefix);
  }

  @Override
  public void delete(String key) throws IOException {
    blobs.delete(key);
  }

  @Override
  public void close() {
    blobs.close();
  }
}
