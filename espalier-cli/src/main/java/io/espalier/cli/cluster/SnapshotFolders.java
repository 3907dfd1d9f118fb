package io.espalier.cli.cluster;

import io.espalier.catalog.SnapshotSettings;
import io.espalier.catalog.SnapshotStore;
import io.espalier.stores.blobs.BlobStore;
import io.opentelemetry.api.metrics.Meter;
import java.io.IOException;
import java.nio.file.Path;

/**
 * Where a catalogue's snapshots are published and fetched.
 *
 * @param store holds them; stays the caller's to close
 * @param cache a folder of this process's own for what is fetched
 * @param settings when a writer publishes, and how many are kept
 */
public record SnapshotFolders(BlobStore store, Path cache, SnapshotSettings settings) {

  /** The snapshots, for one of this process's servers. */
  SnapshotStore open(String user, Meter meter) throws IOException {
    return new SnapshotStore(store, cache.resolve(user), meter);
  }
}
