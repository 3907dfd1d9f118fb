package io.espalier.catalog;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.bundles.BundleId;
import io.espalier.server.RequestException;
import io.espalier.stores.catalog.CatalogItem;
import io.opentelemetry.api.OpenTelemetry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is published, and what is left behind where nothing is. */
class SnapshotPublisherTest {
  private static final BundleId TIGER = BundleId.parse("tiger@2");
  private static final SnapshotPublisher.Codes UNTRAINED = new SnapshotPublisher.Codes(1, Map.of());

  private PublishedCatalogue catalog;
  @TempDir Path dir;

  @BeforeEach
  void start() throws Exception {
    catalog = new PublishedCatalogue(dir);
    catalog.writer.submit(new CatalogChange.Upsert(item("a"), Map.of())).get();
  }

  private static CatalogItem item(String id) {
    return new CatalogItem(
        id, "", "", List.of(), "", OptionalDouble.empty(), Map.of(), "", OptionalLong.empty());
  }

  @AfterEach
  void close() {
    catalog.close();
  }

  @Test
  void add_itemThatWentAfterTheIdsWereTaken_isInTheSnapshotWithItsId() throws Exception {
    CatalogWriter.Assigned taken = new CatalogWriter.Assigned(1, Map.of("a", List.of(3)));
    catalog.writer.submit(new CatalogChange.Removal("a")).get();

    assertThat(catalog.publisher.add(TIGER, UNTRAINED, () -> Optional.of(taken))).isTrue();

    Snapshot published = catalog.publisher.last();
    assertThat(published.offset()).isEqualTo(1);
    assertThat(published.upsert(0).semanticIds()).containsExactly(Map.entry(TIGER, List.of(3)));
    assertThat(catalog.publisher.publish().itemCount()).isZero();
  }

  @Test
  void publish_storeTakesSoManyFilesAndNoMore_leavesNothingBehind() throws Exception {
    List<Path> files = files("cache");
    List<Path> parts = files("store/parts");
    for (int taken = 0; taken < 2; taken++) {
      catalog.blobs.takes = taken;
      assertThatThrownBy(catalog.publisher::publish).hasMessageContaining("the store is away");
      assertThat(files("cache")).isEqualTo(files);
      assertThat(files("store/parts")).isEqualTo(parts);
    }
    // Its files are there; whether its manifest is nobody knows.
    catalog.blobs.takes = 2;
    assertThatThrownBy(catalog.publisher::publish).hasMessageContaining("the store is away");
    assertThat(files("cache")).isEqualTo(files);

    catalog.blobs.takes = Integer.MAX_VALUE;
    assertThat(catalog.publisher.publish().itemCount()).isEqualTo(1);
  }

  private List<Path> files(String folder) throws IOException {
    Path all = dir.resolve(folder);
    if (!Files.exists(all)) {
      return List.of();
    }
    try (Stream<Path> found = Files.walk(all)) {
      return found.sorted().toList();
    }
  }

  @Test
  void publish_manyTimes_leavesNoFolders() throws Exception {
    for (int n = 0; n < 30; n++) {
      catalog.writer.submit(new CatalogChange.Upsert(item("n" + n), Map.of())).get();
      var unused = catalog.publisher.publish();
    }

    try (Stream<Path> found = Files.walk(dir.resolve("store"))) {
      assertThat(found.filter(Files::isDirectory)).hasSize(3);
    }
  }

  @Test
  void publish_logTakenOver_isRefused() {
    catalog.log.take();

    assertThatThrownBy(catalog.publisher::publish)
        .isInstanceOf(RequestException.class)
        .hasMessageContaining("expected: at the writer whose changes the log takes");
    assertThatThrownBy(
            () ->
                catalog.publisher.add(
                    TIGER, UNTRAINED, () -> Optional.of(new CatalogWriter.Assigned(1, Map.of()))))
        .hasMessageContaining("expected: at the writer whose changes the log takes");
  }

  @Test
  void manifests_oneThatCannotBeRead_isPassedOver() throws Exception {
    var unused = catalog.publisher.publish();
    String oldest = catalog.blobs.list("manifests/").getFirst();
    SnapshotStore other =
        new SnapshotStore(
            catalog.blobs, dir.resolve("other"), OpenTelemetry.noop().getMeter("test"));
    catalog.blobs.unreadable = oldest;

    assertThat(other.manifests()).hasSize(1);
    assertThat(other.newest(0, 10, Set.of()).orElseThrow().offset()).isEqualTo(1);
    assertThat(other.manifest(1)).isPresent();
    assertThatThrownBy(() -> other.manifest(0)).hasMessageContaining("its checksum is wrong");
    // It may be one of the two.
    assertThatThrownBy(() -> other.prune(2)).hasMessageContaining("its checksum is wrong");
    assertThat(catalog.blobs.list("manifests/")).hasSize(2);

    // Older than what is kept: never needed again.
    assertThat(other.prune(1).orElseThrow().offset()).isEqualTo(1);
    assertThat(catalog.blobs.list("manifests/")).hasSize(1).doesNotContain(oldest);
  }

  @Test
  void prune_newestCannotBeRead_dropsNothing() throws Exception {
    var unused = catalog.publisher.publish();
    catalog.blobs.unreadable = catalog.blobs.list("manifests/").getLast();
    SnapshotStore other =
        new SnapshotStore(
            catalog.blobs, dir.resolve("other"), OpenTelemetry.noop().getMeter("test"));

    assertThatThrownBy(() -> other.prune(1)).hasMessageContaining("its checksum is wrong");
    assertThat(catalog.blobs.list("manifests/")).hasSize(2);
  }

  @Test
  void manifests_noneCanBeRead_isAFailure() throws Exception {
    catalog.blobs.unreadable = catalog.blobs.list("manifests/").getFirst();
    SnapshotStore other =
        new SnapshotStore(
            catalog.blobs, dir.resolve("other"), OpenTelemetry.noop().getMeter("test"));

    assertThatThrownBy(other::manifests).hasMessageContaining("its checksum is wrong");
  }

  /** No store takes a file of any size. */
  @Test
  void write_moreItemsThanAFileIsFor_areInSeveral() throws Exception {
    List<CatalogItem> items = IntStream.range(0, 40).mapToObj(n -> item("item-" + n)).toList();
    SnapshotManifest manifest =
        new SnapshotFiles(catalog.store, LogPlace.beginning(40), () -> {}, 50)
            .write(CatalogState.of(items), items, 1);

    assertThat(manifest.documents()).hasSizeGreaterThan(5);
    Snapshot first = catalog.store.open(manifest);
    for (CatalogItem item : items) {
      assertThat(first.item(item.id())).contains(item);
    }

    // Full ones are no reason to write all anew.
    CatalogItem added = item("added");
    List<LoggedChange> changes =
        List.of(new LoggedChange(41, new CatalogChange.Upsert(added, Map.of())));
    SnapshotManifest next =
        new SnapshotFiles(catalog.store, LogPlace.beginning(41), () -> {}, 50)
            .write(first.state().after(changes), first, changes, 2);
    assertThat(next.documents()).startsWith(manifest.documents().getFirst());
    assertThat(next.documents()).hasSize(manifest.documents().size() + 1);
    assertThat(catalog.store.open(next).item("added")).contains(added);
  }

  @Test
  void add_noIdsSinceTheCatalogueWentBack_publishesNothing() throws Exception {
    assertThat(catalog.publisher.add(TIGER, UNTRAINED, Optional::empty)).isFalse();

    assertThat(catalog.publisher.kept()).hasSize(1);
    assertThat(catalog.publisher.last().state().tries()).isEmpty();
  }

  @Test
  void assigned_afterAReturn_isNone() throws Exception {
    long returns = catalog.writer.returns();
    assertThat(catalog.writer.assigned(TIGER, returns).orElseThrow().offset()).isEqualTo(1);

    catalog.publisher.rollBack(0, then -> catalog.writer.rollBack(0, then));

    assertThat(catalog.writer.assigned(TIGER, returns)).isEmpty();
    assertThat(catalog.writer.assigned(TIGER, catalog.writer.returns()).orElseThrow().offset())
        .isEqualTo(2);
  }
}
