package io.espalier.rewrite;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class QueryNormaliserTest {
  @Test
  void normalise_caseBlanksAndWidths_areFolded() {
    assertThat(QueryNormaliser.normalise("  Red\t\u00a0LAMP \u3000 x\u200by\n"))
        .isEqualTo("red lamp x y");
    assertThat(QueryNormaliser.normalise("ＦＵＬＬ ½ ﬁne İ")).isEqualTo("full 1⁄2 fine i̇");
    assertThat(QueryNormaliser.normalise("e\u0301")).isEqualTo("é");
    assertThat(QueryNormaliser.normalise("17\" 😀")).isEqualTo("17\" 😀");
  }

  @Test
  void normalise_nothingPrintable_isEmpty() {
    assertThat(QueryNormaliser.normalise(" \t\u0000\u2028\ue000")).isEmpty();
  }

  @Test
  void normalise_twice_changesNothing() {
    String once = QueryNormaliser.normalise(" Ǆ ﷺ Ａ  b ");

    assertThat(QueryNormaliser.normalise(once)).isEqualTo(once);
  }
}
