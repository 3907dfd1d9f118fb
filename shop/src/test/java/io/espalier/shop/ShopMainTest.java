package io.espalier.shop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ShopMainTest {
  @TempDir Path dir;

  @Test
  void main_unknownArgument_namesItAndTheUsage() {
    assertThatThrownBy(() -> ShopMain.main(new String[] {"--colour"}))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("argument: --colour (expected: --out DIR");
  }

  @Test
  void main_pictures_writesOneForEachItem() throws Exception {
    ShopMain.main(
        new String[] {"--out", dir.toString(), "--users", "50", "--products", "500", "--pictures"});

    assertThat(dir.resolve("pictures").toFile().list()).hasSize(500);
    assertThat(dir.resolve("items.jsonl")).isNotEmptyFile();
  }
}
