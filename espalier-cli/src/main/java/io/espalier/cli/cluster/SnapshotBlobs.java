package io.espalier.cli.cluster;

import io.espalier.server.ConfigException;
import io.espalier.stores.blobs.BlobStore;
import io.espalier.stores.blobs.FolderBlobs;
import io.espalier.stores.s3.S3Address;
import io.espalier.stores.s3.S3Blobs;
import java.io.IOException;
import java.nio.file.Path;

/** Which store holds a catalogue's snapshots, by where it is said to be. */
public final class SnapshotBlobs {
  private SnapshotBlobs() {}

  /**
   * Opens the store.
   *
   * @param where a folder, or an object store's bucket
   * @throws ConfigException when it is neither
   * @throws IOException when it cannot be used
   */
  public static BlobStore open(String where) throws IOException {
    if (where.startsWith(S3Address.SCHEME)) {
      S3Address address;
      try {
        address = S3Address.parse(where);
      } catch (IllegalArgumentException e) {
        throw new ConfigException("snapshots.store: " + e.getMessage());
      }
      return S3Blobs.open(address);
    }
    if (where.isBlank() || where.contains("://")) {
      throw new ConfigException(
          "snapshots.store: \"%s\" (expected: a folder, or %sbucket[/prefix])"
              .formatted(where, S3Address.SCHEME));
    }
    return FolderBlobs.open(Path.of(where));
  }
}
