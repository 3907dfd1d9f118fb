package io.espalier.stores.features;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import org.junit.jupiter.api.Test;

class EmbeddedFeaturesTest extends FeatureStoreContract {
  @Override
  protected FeatureStore open(FeatureTable table) {
    return new EmbeddedFeatures(table);
  }

  @Test
  void row_item_isItsNumbersInTheOrderOfTheLayout() {
    FeatureTable table = table();
    assertThat(table.layout()).isEqualTo("text:2 brand:int");
    assertThat(table.rowBytes()).isEqualTo(12);
    ByteBuffer row = ByteBuffer.wrap(table.row("b")).order(ByteOrder.LITTLE_ENDIAN);
    assertThat(row.getFloat()).isEqualTo(3);
    assertThat(row.getFloat()).isEqualTo(4);
    assertThat(row.getInt()).isEqualTo(8);
    assertThat(table.withoutRows().layout()).isEqualTo(table.layout());
    assertThat(table.withoutRows().vectors().getFirst().read("b", new float[2], 0)).isFalse();
  }

  @Test
  void constructor_raggedValues_isRefused() {
    RowIndex rows = List.of("a", "b")::indexOf;
    assertThatThrownBy(() -> new VectorFeature("text", rows, new float[3], new float[2]))
        .hasMessageContaining("3 values (expected: a multiple of the default's 2)");
  }

  @Test
  void constructor_oneNameTwice_isRefused() {
    RowIndex rows = List.of("a", "b")::indexOf;
    CategoryFeature brand = new CategoryFeature("brand", rows, new int[2], 0);

    assertThatThrownBy(() -> new FeatureTable(List.of(), List.of(), List.of(brand, brand)))
        .hasMessage("feature: brand twice (expected: once)");
  }
}
