package io.espalier.stores.features;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;

class FeatureStoreTest {
  private final RowIndex rows = List.of("a", "b")::indexOf;
  private final FeatureStore store =
      new FeatureStore(
          List.of(new VectorFeature("text", rows, new float[] {1, 2, 3, 4}, new float[] {-1, -2})),
          List.of(new CategoryFeature("brand", rows, new int[] {7, 8}, -1)));

  @Test
  void read_knownItem_givesItsRowAndCountsAHit() {
    float[] out = new float[3];

    assertThat(store.vector("text").read("b", out, 1)).isTrue();
    assertThat(out).containsExactly(0, 3, 4);
    assertThat(store.category("brand").read("b")).isEqualTo(8);
    assertThat(store.vector("text").counter().rate()).isEqualTo(1.0);
  }

  @Test
  void read_unknownItem_givesTheDefaultAndCountsAMiss() {
    float[] out = new float[2];

    assertThat(store.vector("text").read("b", out, 0)).isTrue();
    assertThat(store.vector("text").read("none", out, 0)).isFalse();
    assertThat(out).containsExactly(-1, -2);
    assertThat(store.category("brand").read("none")).isEqualTo(-1);
    assertThat(store.vector("text").counter().rate()).isEqualTo(0.5);
    assertThat(store.category("brand").counter().misses()).isEqualTo(1);
  }

  @Test
  void rate_beforeTheFirstLookUp_isOne() {
    assertThat(store.counters()).containsOnlyKeys("text", "brand");
    assertThat(store.counters().values()).extracting(HitCounter::rate).containsOnly(1.0);
  }

  @Test
  void vector_unknownName_namesTheKnown() {
    assertThatThrownBy(() -> store.vector("image"))
        .hasMessage("feature: image (expected: one of [text])");
  }

  @Test
  void constructor_raggedValues_isRefused() {
    assertThatThrownBy(() -> new VectorFeature("text", rows, new float[3], new float[2]))
        .hasMessageContaining("3 values (expected: a multiple of the default's 2)");
  }

  @Test
  void constructor_oneNameTwice_isRefused() {
    CategoryFeature brand = new CategoryFeature("brand", rows, new int[2], 0);

    assertThatThrownBy(() -> new FeatureStore(List.of(), List.of(brand, brand)))
        .hasMessage("feature: brand twice (expected: once)");
  }
}
