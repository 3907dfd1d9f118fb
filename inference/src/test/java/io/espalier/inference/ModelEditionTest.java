package io.espalier.inference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ModelEditionTest {
  @ParameterizedTest
  @CsvSource({"0, 0", "12, -1", "9223372036854775807, 2147483647"})
  void series_ofAnEdition_isWhatItWasNamedBy(long offset, int checksum) {
    String name = ModelEdition.name("shop-1-fused-live", offset, checksum);

    assertThat(name).startsWith("shop-1-fused-live-" + offset + "-");
    assertThat(ModelEdition.series(name)).isEqualTo("shop-1-fused-live");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "shop-1-step",
        "shop-1-20260101",
        "shop-1-fused-live",
        "shop-live-1",
        "shop-live-1-0123",
        "-live-1-01234567"
      })
  void series_ofAnyOtherName_isTheName(String model) {
    assertThat(ModelEdition.series(model)).isEqualTo(model);
  }

  @Test
  void name_seriesThatWouldNotBeFoundAgain_isRefused() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> ModelEdition.name("shop-1", 1, 1))
        .withMessageContaining("-live");
  }
}
