package io.espalier.inference.embedded;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** The models that this repository ships. */
class CommittedModelsTest {
  @Test
  void loadAll_shippedRepository_everyModelLoadsAndWarms() {
    Path models = Path.of(System.getProperty("espalier.root"), "model-repo/models");
    try (EmbeddedModelRunner runner = new EmbeddedModelRunner(models)) {
      runner.loadAll();

      assertThat(runner.loaded()).isNotEmpty().isEqualTo(runner.repository());
    }
  }
}
