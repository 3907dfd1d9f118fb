package io.espalier.stores.features;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What every {@link FeatureStore} does. */
public abstract class FeatureStoreContract {
  protected static final Duration WITHIN = Duration.ofSeconds(60);
  private static final long SEED = 20_263;

  /** A store that has a table. */
  protected abstract FeatureStore open(FeatureTable table);

  /** Two items with a vector and a number. */
  protected static FeatureTable table() {
    RowIndex rows = List.of("a", "b")::indexOf;
    return new FeatureTable(
        List.of("a", "b"),
        List.of(new VectorFeature("text", rows, new float[] {1, 2, 3, 4}, new float[] {-1, -2})),
        List.of(new CategoryFeature("brand", rows, new int[] {7, 8}, -1)));
  }

  private static HitCounter counter(FeatureStore store, String feature) {
    return Objects.requireNonNull(store.counters().get(feature));
  }

  @Test
  void read_knownItem_givesItsRowAndCountsAHit() {
    try (FeatureStore store = open(table())) {
      float[] out = new float[3];
      FeatureRows rows = store.rows(List.of("b", "a"), WITHIN);

      assertThat(rows.vector("text", "b", out, 1)).isTrue();
      assertThat(out).containsExactly(0, 3, 4);
      assertThat(rows.category("brand", "b")).isEqualTo(8);
      assertThat(rows.category("brand", "a")).isEqualTo(7);
      assertThat(rows.isLate()).isFalse();
      assertThat(counter(store, "text").rate()).isEqualTo(1.0);
      assertThat(counter(store, "brand").hits()).isEqualTo(2);
    }
  }

  @Test
  void read_unknownItem_givesTheDefaultAndCountsAMiss() {
    try (FeatureStore store = open(table())) {
      float[] out = new float[2];
      FeatureRows rows = store.rows(List.of("b", "none"), WITHIN);

      assertThat(rows.vector("text", "b", out, 0)).isTrue();
      assertThat(rows.vector("text", "none", out, 0)).isFalse();
      assertThat(out).containsExactly(-1, -2);
      assertThat(rows.category("brand", "none")).isEqualTo(-1);
      assertThat(rows.isLate()).isFalse();
      assertThat(counter(store, "text").rate()).isEqualTo(0.5);
      assertThat(counter(store, "brand").misses()).isEqualTo(1);
    }
  }

  @Test
  void rate_beforeTheFirstLookUp_isOne() {
    try (FeatureStore store = open(table())) {
      assertThat(store.counters()).containsOnlyKeys("text", "brand");
      assertThat(store.counters().values()).extracting(HitCounter::rate).containsOnly(1.0);
    }
  }

  @Test
  void vector_unknownName_namesTheKnown() {
    try (FeatureStore store = open(table())) {
      FeatureRows rows = store.rows(List.of("a"), WITHIN);
      assertThatThrownBy(() -> rows.vector("image", "a", new float[2], 0))
          .hasMessage("feature: image (expected: one of [text])");
    }
  }

  /** Bit by bit, whatever is asked together and again. */
  @Test
  void read_manyItems_givesWhatTheTableHas() {
    System.out.println("seed " + SEED);
    Random random = new Random(SEED);
    List<String> items = IntStream.range(0, 700).mapToObj(i -> "item-ä" + i).toList();
    float[] values = new float[700 * 5];
    int[] numbers = new int[700];
    for (int i = 0; i < values.length; i++) {
      values[i] = Float.intBitsToFloat(random.nextInt() & 0xBFFFFFFF);
      numbers[i / 5] = random.nextInt();
    }
    RowIndex rows = items::indexOf;
    FeatureTable table =
        new FeatureTable(
            items,
            List.of(
                new VectorFeature("wide", rows, values, new float[5]),
                new VectorFeature("one", rows, new float[700], new float[1])),
            List.of(new CategoryFeature("number", rows, numbers, 0)));
    try (FeatureStore store = open(table)) {
      for (int round = 0; round < 20; round++) {
        List<String> asked = new ArrayList<>();
        for (int i = random.nextInt(600); i >= 0; i--) {
          asked.add("item-ä" + random.nextInt(800));
        }
        FeatureRows found = store.rows(asked, WITHIN);
        for (String item : asked) {
          int row = rows.row(item);
          float[] out = new float[5];
          assertThat(found.vector("wide", item, out, 0)).isEqualTo(row >= 0);
          for (int d = 0; d < 5 && row >= 0; d++) {
            assertThat(Float.floatToRawIntBits(out[d]))
                .isEqualTo(Float.floatToRawIntBits(values[5 * row + d]));
          }
          assertThat(found.category("number", item)).isEqualTo(row < 0 ? 0 : numbers[row]);
        }
        assertThat(found.isLate()).isFalse();
      }
    }
  }
}
