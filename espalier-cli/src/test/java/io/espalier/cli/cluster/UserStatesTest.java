package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.server.ConfigException;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.stores.users.EventKind;
import io.espalier.stores.users.UserEvent;
import io.espalier.stores.users.UserStateStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class UserStatesTest {
  private static final Duration WITHIN = Duration.ofSeconds(60);

  @TempDir Path folder;
  private DataFolder data;

  @BeforeEach
  void writeData() throws IOException {
    Files.writeString(folder.resolve("items.jsonl"), "{\"id\":\"a\"}\n");
    Files.writeString(folder.resolve("sequences.tsv"), "u\t0\n");
    data = DataFolder.open(folder);
  }

  @Test
  void open_folder_remembersOverTheDataFolder() {
    String where = folder.resolve("state").toString();
    try (UserStateStore users = UserStates.open(where, data)) {
      users.record("u", List.of(new UserEvent("1", "b", EventKind.CLICK, Instant.now())), WITHIN);
    }
    try (UserStateStore users = UserStates.open(where, data)) {
      assertThat(users.recent("u", UserStateStore.INTERACTIONS, 10, WITHIN))
          .extracting(UserEvent::itemId)
          .containsExactly("a", "b");
    }
  }

  @Test
  void open_serverAway_isNoError() {
    try (UserStateStore users = UserStates.open("redis://127.0.0.1:1", data)) {
      assertThatThrownBy(() -> users.recent("u", UserStateStore.INTERACTIONS, 10, WITHIN))
          .hasMessage("redis://127.0.0.1:1/0: no connection");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"redis://:s3cret@host", "rediss://:s3cret@host:1?x=y"})
  void open_badAddress_namesTheFormAndNotThePassword(String where) {
    assertThatThrownBy(() -> UserStates.open(where, data))
        .isInstanceOf(ConfigException.class)
        .hasMessageStartingWith("state: \"redis")
        .hasMessageContaining("(expected: redis[s]://")
        .hasMessageNotContaining("s3cret");
  }

  @Test
  void open_unknown_namesWhatIsExpected() {
    assertThatThrownBy(() -> UserStates.open("memcached://host:1", data))
        .isInstanceOf(ConfigException.class)
        .hasMessage("state: \"memcached://host:1\" (expected: a folder, or redis://host:port/db)");
  }

  @Test
  void shown_passwordInTheAddress_isHidden() {
    ServeConfig config =
        ServeConfig.defaults(Stage.ROUTER, folder, folder, folder)
            .with(Map.of("state", "\"redis://me:s3cret@host:6379/1\""));
    assertThat(config.state()).contains("s3cret");
    assertThat(config.shown()).contains("redis://(hidden)@host:6379/1").doesNotContain("s3cret");
  }
}
