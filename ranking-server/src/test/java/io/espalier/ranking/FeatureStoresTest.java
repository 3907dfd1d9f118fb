package io.espalier.ranking;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.ranking.v1.RankCandidate;
import io.espalier.ranking.v1.RankRequest;
import io.espalier.ranking.v1.RankResponse;
import io.espalier.ranking.v1.RankingServiceGrpc;
import io.espalier.stores.features.EmbeddedFeatures;
import io.espalier.stores.features.FeatureRows;
import io.espalier.stores.features.FeatureStore;
import io.espalier.stores.features.FeatureTable;
import io.espalier.stores.features.FetchOutcome;
import io.espalier.stores.features.HitCounter;
import io.espalier.testing.CountingTelemetry;
import io.espalier.testing.ServedStage;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Rankers over a feature store that is not the bundles' own tables. */
class FeatureStoresTest {
  private static final List<BundleId> RANKERS =
      List.of(
          new BundleId("e4", 1),
          new BundleId("heter", 1),
          new BundleId("fusion", 1),
          new BundleId("ranker", 1));

  @TempDir Path root;
  private final CountingTelemetry metrics = new CountingTelemetry();

  @BeforeEach
  void write() throws IOException {
    new RankingBundles(root).write();
  }

  /** What a server would have, or nothing where it is late; what was asked for. */
  private static final class Store implements FeatureStore {
    private final EmbeddedFeatures features;
    private final boolean late;
    private final Collection<String> asked;

    Store(FeatureTable table, boolean late, Collection<String> asked) {
      this.features = new EmbeddedFeatures(late ? table.withoutRows() : table);
      this.late = late;
      this.asked = asked;
    }

    @Override
    public FeatureRows rows(Collection<String> items, Duration within) {
      assertThat(within).isPositive();
      asked.addAll(items);
      FeatureRows rows = features.rows(items, within);
      return new FeatureRows() {
        @Override
        public boolean vector(String feature, String item, float[] out, int at) {
          assertThat(items).contains(item);
          return rows.vector(feature, item, out, at);
        }

        @Override
        public int category(String feature, String item) {
          assertThat(items).contains(item);
          return rows.category(feature, item);
        }

        @Override
        public boolean isLate() {
          return late;
        }
      };
    }

    @Override
    public Map<String, HitCounter> counters() {
      return features.counters();
    }

    @Override
    public Map<FetchOutcome, Long> fetches() {
      return Map.of(FetchOutcome.LATE, 3L);
    }

    @Override
    public void close() {}
  }

  private static RankRequest request(String ranker) {
    RankRequest.Builder request =
        RankRequest.newBuilder()
            .setBundle(ranker)
            .setBundleVersion(1)
            .addAllHistory(List.of("a", "unknown", "b"))
            .setQuery("red phone");
    for (String candidate : List.of("c", "d", "nobody")) {
      request.addCandidates(RankCandidate.newBuilder().setItemId(candidate));
    }
    return request.build();
  }

  private RankResponse rank(FeatureStores stores, String ranker) throws Exception {
    try (RankingComponent component =
            RankingComponent.start(
                BundleRepository.open(root),
                RANKERS,
                RankingBundles.runner(),
                stores,
                RankingSettings.defaults(),
                metrics.telemetry());
        ServedStage stage = ServedStage.of("ranking", component.service())) {
      RankResponse response =
          RankingServiceGrpc.newBlockingStub(stage.channel())
              .withDeadlineAfter(30, TimeUnit.SECONDS)
              .rank(request(ranker));
      assertThat(metrics.counts("espalier.ranking.feature.fetches").toString())
          .isEqualTo(stores == EMBEDDED ? "{}" : fetches());
      return response;
    }
  }

  private static String fetches() {
    // By ranker and bundle: those that have features, the fusion's twice.
    return "{[dense@1, late, ranker@1]=3, [e4@1, late, e4@1]=3, [e4@1, late, fusion@1]=3,"
        + " [heter@1, late, fusion@1]=3, [heter@1, late, heter@1]=3}";
  }

  private static final FeatureStores EMBEDDED = FeatureStores.embedded();

  @ParameterizedTest
  @ValueSource(strings = {"e4", "heter", "fusion", "ranker"})
  void rank_storeWithTheSameRows_answersTheSame(String ranker) throws Exception {
    Collection<String> asked = new TreeSet<>();
    RankResponse expected = rank(EMBEDDED, ranker);
    assertThat(rank((id, table) -> new Store(table, false, asked), ranker)).isEqualTo(expected);
    assertThat(expected.getFeaturesLate()).isFalse();
    assertThat(asked).contains("c", "d", "nobody");
  }

  @ParameterizedTest
  @ValueSource(strings = {"e4", "heter", "fusion", "ranker"})
  void rank_storeLate_answersWithDefaultsAndSaysSo(String ranker) throws Exception {
    RankResponse response = rank((id, table) -> new Store(table, true, new ArrayList<>()), ranker);
    assertThat(response.getFeaturesLate()).isTrue();
    assertThat(response.getCandidatesCount()).isEqualTo(3);
    assertThat(response.getCandidatesList())
        .allMatch(candidate -> Double.isFinite(candidate.getScore()));
    // An item that has no row and one whose row did not come are the same to the model.
    int part = ranker.equals("ranker") ? 1 : 0;
    assertThat(response.getCandidatesList())
        .allMatch(candidate -> candidate.getParts(part).getIsDefault());
  }

  @Test
  void read_bundles_haveTheTablesThatRankersRead() {
    BundleRepository repository = BundleRepository.open(root);
    FeatureTable heter = BundleFeatures.read(repository, new BundleId("heter", 1));
    assertThat(heter.layout()).isEqualTo("item_vectors:2 text:3 brands:int categories:int");
    assertThat(heter.items()).isEqualTo(RankingBundles.ITEMS);
    FeatureTable dense = BundleFeatures.read(repository, new BundleId("dense", 1));
    assertThat(dense.layout()).isEqualTo("dense:2");
    float[] vector = new float[2];
    assertThat(dense.vectors().getFirst().read("c", vector, 0)).isTrue();
    assertThat(vector).isEqualTo(RankingBundles.DENSE[2]);
    assertThatThrownBy(() -> BundleFeatures.read(repository, new BundleId("near", 1)))
        .isInstanceOf(BundleException.class)
        .hasMessageContaining("system: ItemToItem (expected: E4SRec, HeterRec or DenseText");
  }
}
