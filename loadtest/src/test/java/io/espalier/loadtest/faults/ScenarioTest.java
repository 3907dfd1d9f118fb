package io.espalier.loadtest.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.loadtest.driver.NamedFiles;
import io.espalier.server.ConfigException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ScenarioTest {
  private static final Path SHIPPED =
      Path.of(System.getProperty("espalier.root"), "loadtest", "faults");

  @TempDir private Path folder = Path.of("");

  private Scenario read(String yaml) throws IOException {
    Files.writeString(folder.resolve("one.yaml"), yaml);
    return Scenario.read(folder, "one");
  }

  @Test
  void read_everyShippedScenario_isOne() {
    List<String> names = new NamedFiles(SHIPPED).names();
    assertThat(names).contains("restart", "kill-router", "freeze-retrieval", "redis");
    for (String name : names) {
      assertThat(Scenario.read(SHIPPED, name).what()).as(name).isNotBlank();
    }
  }

  @Test
  void read_aStep_hasItsLength() throws IOException {
    Scenario scenario = read("{what: it dies, steps: [{deed: kill, on: [router-1], length: 5s}]}");
    assertThat(scenario.planned()).isFalse();
    assertThat(scenario.steps().getFirst().length()).isEqualTo(Duration.ofSeconds(5));
  }

  @Test
  void read_mistakes_areNamed() {
    assertThatThrownBy(() -> read("{what: nothing, steps: []}"))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("steps: none");
    assertThatThrownBy(() -> read("{what: w, steps: [{deed: kill}]}"))
        .hasMessageContaining("on: []");
    assertThatThrownBy(() -> read("{what: w, steps: [{deed: slow, on: [a], length: 1s}]}"))
        .hasMessageContaining("times: 0 (expected: >= 2)");
    assertThatThrownBy(() -> read("{what: w, steps: [{deed: jump, on: [a], by: +1h, length: 1s}]}"))
        .hasMessageContaining("by: +1h (expected: such as +3600)");
    assertThatThrownBy(() -> read("{what: w, plan: true, steps: [{deed: wait, length: 1s}]}"))
        .hasMessageContaining("plan: unknown key");
    assertThatThrownBy(() -> Scenario.read(folder, "two"))
        .hasMessageContaining("scenario: two (expected: one of");
  }
}
