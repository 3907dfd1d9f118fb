package io.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.catalog.v1.Equals;
import io.espalier.catalog.v1.Filter;
import io.espalier.catalog.v1.In;
import io.espalier.catalog.v1.Range;
import io.espalier.catalog.v1.Value;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine.TypeConversionException;

class FilterTextTest {
  private final FilterText text = new FilterText();

  private static Filter equal(String attribute, Value.Builder value) {
    return Filter.newBuilder()
        .setEquals(Equals.newBuilder().setAttribute(attribute).setValue(value))
        .build();
  }

  @Test
  void convert_equality_readsTheValuesKind() {
    assertThat(text.convert("brand=Acme"))
        .isEqualTo(equal("brand", Value.newBuilder().setText("Acme")));
    assertThat(text.convert("size=40")).isEqualTo(equal("size", Value.newBuilder().setNumber(40)));
    assertThat(text.convert("size=\"40\""))
        .isEqualTo(equal("size", Value.newBuilder().setText("40")));
    assertThat(text.convert("wireless=true"))
        .isEqualTo(equal("wireless", Value.newBuilder().setFlag(true)));
  }

  @Test
  void convert_alternatives_becomeIn() {
    assertThat(text.convert("color=red|blue"))
        .isEqualTo(
            Filter.newBuilder()
                .setIn(
                    In.newBuilder()
                        .setAttribute("color")
                        .addValues(Value.newBuilder().setText("red"))
                        .addValues(Value.newBuilder().setText("blue")))
                .build());
  }

  @Test
  void convert_bounds_becomeRanges() {
    assertThat(text.convert("price<=50.5"))
        .isEqualTo(
            Filter.newBuilder()
                .setRange(Range.newBuilder().setAttribute("price").setMax(50.5))
                .build());
    assertThat(text.convert("stock >= 1"))
        .isEqualTo(
            Filter.newBuilder()
                .setRange(Range.newBuilder().setAttribute("stock").setMin(1))
                .build());
  }

  @Test
  void convert_inequality_isNegated() {
    assertThat(text.convert("color!=red"))
        .isEqualTo(
            Filter.newBuilder().setNot(equal("color", Value.newBuilder().setText("red"))).build());
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "price", "price<50", "price<=cheap", "=5"})
  void convert_anythingElse_isRefused(String wrong) {
    assertThatThrownBy(() -> text.convert(wrong))
        .isInstanceOf(TypeConversionException.class)
        .hasMessage(wrong + " (expected: ATTRIBUTE=VALUE, !=VALUE, =A|B, <=NUMBER or >=NUMBER)");
  }
}
