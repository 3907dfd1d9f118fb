package io.espalier.catalog;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.bundles.BundleId;
import io.espalier.stores.catalog.CatalogItem;
import java.nio.file.Path;
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
