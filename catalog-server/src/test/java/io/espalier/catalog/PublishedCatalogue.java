package io.espalier.catalog;

import io.espalier.stores.blobs.FolderBlobs;
import io.espalier.testing.MemoryLog;
import io.opentelemetry.api.OpenTelemetry;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** An empty catalogue with its writer and its snapshots, where nothing is published by itself. */
final class PublishedCatalogue implements AutoCloseable {
  final MemoryLog log = new MemoryLog(1);
  final FlakyBlobs blobs;
  final SnapshotStore store;
  final SnapshotPublisher publisher;
  final CatalogWriter writer;

  PublishedCatalogue(Path folder) throws IOException {
    blobs = new FlakyBlobs(FolderBlobs.open(folder.resolve("store")));
    store =
        new SnapshotStore(blobs, folder.resolve("cache"), OpenTelemetry.noop().getMeter("test"));
    publisher =
        SnapshotPublisher.start(
            log,
            store,
            new SnapshotSettings(3, 1_000_000, Duration.ofDays(1), 1),
            List.of(),
            Map.of());
    writer = CatalogWriter.start(log, Map.of(), () -> Optional.of(publisher.last()));
  }

  @Override
  public void close() {
    writer.close();
    publisher.close();
  }
}
