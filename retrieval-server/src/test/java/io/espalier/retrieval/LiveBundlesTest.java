package io.espalier.retrieval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.bundles.BundleId;
import io.espalier.catalog.CatalogChange;
import io.espalier.catalog.LoggedChange;
import io.espalier.index.ItemIds;
import io.espalier.index.trie.SemanticIdTrie;
import io.espalier.stores.catalog.CatalogItem;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Set;
import org.junit.jupiter.api.Test;

class LiveBundlesTest {
  private static final BundleId FIRST = BundleId.parse("tiger@1");
  private static final BundleId SECOND = BundleId.parse("tiger@2");
  private static final Set<BundleId> BOTH = Set.of(FIRST, SECOND);

  private final LiveBundles bundles = new LiveBundles();

  /** Knows item {@code trained} alone. */
  private record OneItem() implements Catalogue.OwnIds {
    @Override
    public IdShape shape() {
      return new IdShape(1, 8);
    }

    @Override
    public SemanticIdTrie trie(ItemIds items) {
      throw new UnsupportedOperationException();
    }

    @Override
    public List<Integer> of(String id) {
      return id.equals("trained") ? List.of(5) : List.of();
    }
  }

  private static LoggedChange upsert(String id, Map<BundleId, List<Integer>> ids) {
    CatalogItem item =
        new CatalogItem(
            id, "", "", List.of(), "", OptionalDouble.empty(), Map.of(), "", OptionalLong.empty());
    return new LoggedChange(1, new CatalogChange.Upsert(item, ids));
  }

  private void joined(LoggedChange... followed) {
    bundles.add(FIRST, new OneItem(), List.of());
    bundles.started();
    bundles.add(SECOND, new OneItem(), List.of(followed));
  }

  @Test
  void check_idThatNoModelSays_isRefused() {
    joined();

    bundles.check(List.of(upsert("new", Map.of(FIRST, List.of(7), SECOND, List.of()))));
    for (List<Integer> id : List.of(List.of(8), List.of(-1), List.of(1, 2))) {
      assertThatThrownBy(() -> bundles.check(List.of(upsert("new", Map.of(FIRST, id)))))
          .hasMessageStartingWith(
              "bundle tiger@1: the log gives new: %s (expected: 1 codes from 0 to 7".formatted(id));
    }
    // A bundle that no source here has.
    bundles.check(List.of(upsert("new", Map.of(BundleId.parse("other@1"), List.of(8)))));
  }

  @Test
  void required_bundleThatJoinedAndWasGivenNoIds_isNone() {
    joined();

    assertThat(bundles.required(BOTH)).containsExactly(FIRST);
    assertThat(bundles.atFirst(BOTH)).containsExactly(FIRST);
  }

  @Test
  void required_onceTheLogGaveIds_isAll() {
    joined();

    bundles.given(List.of(upsert("new", Map.of(SECOND, List.of(1)))));

    assertThat(bundles.required(BOTH)).containsExactly(FIRST, SECOND);
  }

  @Test
  void required_idsInWhatWasFollowedBefore_isAll() {
    joined(upsert("new", Map.of(SECOND, List.of(1))));

    assertThat(bundles.required(BOTH)).containsExactly(FIRST, SECOND);
  }

  @Test
  void required_afterTheCatalogueBeganAnew_isThoseOfTheStartUntilASnapshotHasMore() {
    joined(upsert("new", Map.of(SECOND, List.of(1))));

    bundles.restarted();
    assertThat(bundles.required(BOTH)).containsExactly(FIRST);

    bundles.know(List.of(), BOTH);
    assertThat(bundles.required(BOTH)).containsExactly(FIRST, SECOND);
  }

  @Test
  void isPassed_bundleThatLeftWithIdsOfOthers_isTrue() {
    joined(upsert("new", Map.of(SECOND, List.of(1))));

    bundles.remove(SECOND);

    assertThat(bundles.isPassed(SECOND)).isTrue();
    assertThat(bundles.all()).containsExactly(FIRST);
  }

  @Test
  void isPassed_bundleThatLeftAndWasNeverGivenIds_isFalse() {
    joined();

    bundles.remove(SECOND);

    assertThat(bundles.isPassed(SECOND)).isFalse();
  }

  @Test
  void isPassed_idsThatWentWithTheSnapshotBefore_isTrue() {
    bundles.add(FIRST, new OneItem(), List.of());

    bundles.know(List.of(upsert("new", Map.of(SECOND, List.of(1)))), Set.of(FIRST));

    assertThat(bundles.isPassed(SECOND)).isTrue();
  }

  @Test
  void withOwnIds_trainedItemThatTheWriterGaveNone_hasTheBundlesOwn() {
    joined();

    List<LoggedChange> complete =
        bundles.withOwnIds(
            List.of(
                upsert("trained", Map.of(FIRST, List.of(1))),
                upsert("new", Map.of(FIRST, List.of(2)))));

    assertThat(ids(complete.getFirst())).isEqualTo(Map.of(FIRST, List.of(1), SECOND, List.of(5)));
    assertThat(ids(complete.getLast())).isEqualTo(Map.of(FIRST, List.of(2)));
  }

  private static Map<BundleId, List<Integer>> ids(LoggedChange change) {
    return ((CatalogChange.Upsert) change.change()).semanticIds();
  }
}
