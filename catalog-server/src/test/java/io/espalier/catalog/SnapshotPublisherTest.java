package io.espalier.catalog;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.bundles.BundleId;
import io.espalier.stores.blobs.FolderBlobs;
import io.espalier.stores.catalog.CatalogItem;
import io.espalier.testing.MemoryLog;
import io.opentelemetry.api.OpenTelemetry;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A bundle version that joins a catalogue that has changed. */
class SnapshotPublisherTest {
  private static final BundleId TIGER = BundleId.parse("tiger@2");
  private static final SnapshotPublisher.Codes UNTRAINED = new SnapshotPublisher.Codes(1, Map.of());

  private final MemoryLog log = new MemoryLog(1);
  private SnapshotPublisher publisher;
  private CatalogWriter writer;
  @TempDir Path dir;

  @BeforeEach
  void start() throws Exception {
    SnapshotStore store =
        new SnapshotStore(
            FolderBlobs.open(dir.resolve("store")),
            dir.resolve("cache"),
            OpenTelemetry.noop().getMeter("test"));
    // Nothing is published by itself.
    publisher =
        SnapshotPublisher.start(
            log,
            store,
            new SnapshotSettings(3, 1_000_000, Duration.ofDays(1), 1),
            List.of(),
            Map.of());
    writer = CatalogWriter.start(log, Map.of(), () -> Optional.of(publisher.last()));
    writer.submit(new CatalogChange.Upsert(item("a"), Map.of())).get();
  }

  private static CatalogItem item(String id) {
    return new CatalogItem(
        id, "", "", List.of(), "", OptionalDouble.empty(), Map.of(), "", OptionalLong.empty());
  }

  @AfterEach
  void close() {
    writer.close();
    publisher.close();
  }

  @Test
  void add_itemThatWentAfterTheIdsWereTaken_isInTheSnapshotWithItsId() throws Exception {
    CatalogWriter.Assigned taken = new CatalogWriter.Assigned(1, Map.of("a", List.of(3)));
    writer.submit(new CatalogChange.Removal("a")).get();

    assertThat(publisher.add(TIGER, UNTRAINED, () -> Optional.of(taken))).isTrue();

    Snapshot published = publisher.last();
    assertThat(published.offset()).isEqualTo(1);
    assertThat(published.upsert(0).semanticIds()).containsExactly(Map.entry(TIGER, List.of(3)));
    assertThat(publisher.publish().itemCount()).isZero();
  }

  @Test
  void add_noIdsSinceTheCatalogueWentBack_publishesNothing() throws Exception {
    assertThat(publisher.add(TIGER, UNTRAINED, Optional::empty)).isFalse();

    assertThat(publisher.kept()).hasSize(1);
    assertThat(publisher.last().state().tries()).isEmpty();
  }

  @Test
  void assigned_afterAReturn_isNone() throws Exception {
    long returns = writer.returns();
    assertThat(writer.assigned(TIGER, returns).orElseThrow().offset()).isEqualTo(1);

    publisher.rollBack(0, then -> writer.rollBack(0, then));

    assertThat(writer.assigned(TIGER, returns)).isEmpty();
    assertThat(writer.assigned(TIGER, writer.returns()).orElseThrow().offset()).isEqualTo(2);
  }
}
