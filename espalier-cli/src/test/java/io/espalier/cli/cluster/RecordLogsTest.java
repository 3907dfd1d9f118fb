package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.server.ConfigException;
import io.espalier.stores.log.RecordLog;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RecordLogsTest {
  @Test
  void open_folder_isALogOfFiles(@TempDir Path folder) {
    try (RecordLog log = RecordLogs.open("catalog_log", folder.resolve("log").toString(), 7)) {
      assertThat(log.append(List.of(new byte[1]))).isEqualTo(7);
    }
    assertThat(folder.resolve("log")).isNotEmptyDirectory();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "kafka://",
        "kafka://host/topic",
        "kafka://host:9092",
        "kafka://host:9092/",
        "kafka://host:9092/..",
        "kafka://host:9092/a/b",
        "kafka://host:9092/t?property=x"
      })
  void open_badAddressOfKafka_namesTheForm(String where) {
    assertThatThrownBy(() -> RecordLogs.open("catalog_log", where, 1))
        .isInstanceOf(ConfigException.class)
        .hasMessageStartingWith(
            "catalog_log: \"" + where + "\" (expected: kafka://host:port[,host:port...]/topic");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", " ", "kafak://host:9092/topic", "redis://host"})
  void open_unknown_namesWhatIsExpected(String where) {
    assertThatThrownBy(() -> RecordLogs.open("catalog_log", where, 1))
        .isInstanceOf(ConfigException.class)
        .hasMessage(
            "catalog_log: \"" + where + "\" (expected: a folder, or kafka://host:port/topic)");
  }
}
