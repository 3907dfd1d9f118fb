package io.espalier.oip;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.oip.InferenceSettings.Control;
import io.espalier.server.ConfigException;
import io.espalier.server.ConfigFile;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class InferenceSettingsTest {
  @Test
  void defaults_everyModelAndNoOthers() {
    assertThat(bind("")).isEqualTo(new InferenceSettings(Control.NONE, List.of("*")));
  }

  @Test
  void bind_explicit_loadsWhatItNames() {
    assertThat(bind("{control: explicit, load: [a, b]}"))
        .isEqualTo(new InferenceSettings(Control.EXPLICIT, List.of("a", "b")));
    assertThat(bind("{control: explicit, load: []}").load()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          load: [a] | load: [a] (expected: [*], unless control is explicit)
          {control: explicit, load: [a, "*"]} | load: [a, *] (expected: names, or * alone)
          control: poll | control
          loads: [a] | loads: unknown key (nearest known key: load)
          """)
  void bind_whatIsWrong_isNamed(String yaml, String message) {
    assertThatThrownBy(() -> bind(yaml))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining(message);
  }

  private static InferenceSettings bind(String yaml) {
    return ConfigFile.bind(
        ConfigFile.parse(yaml, "test"),
        "test",
        InferenceSettings.class,
        InferenceSettings.defaults());
  }
}
