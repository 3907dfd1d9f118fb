package io.espalier.stores.redis;

import static io.espalier.stores.users.UserStateStore.INTERACTIONS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.espalier.stores.users.EmbeddedUserStates;
import io.espalier.stores.users.UserStateException;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A server that asks for a password. */
class RedisSecretsTest {
  private static final String PASSWORD = "correct-horse-7f3a";

  @TempDir Path folder;

  @Test
  void open_withPassword_letsInAndNeverLogsIt() throws Exception {
    try (RedisServer server = RedisServer.start(folder, "--requirepass", PASSWORD)) {
      String at = "@127.0.0.1:" + server.port();
      try (RedisUserStates store = open("redis://:" + PASSWORD + at)) {
        assertThat(recent(store)).isZero();
        server.kill();
        server.start();
        await().atMost(Duration.ofSeconds(60)).ignoreExceptions().until(() -> recent(store) == 0);
      }
      try (RedisUserStates store = open("redis://:wrong-" + PASSWORD + at)) {
        assertThatThrownBy(() -> recent(store))
            .isInstanceOf(UserStateException.class)
            .hasMessageContaining("no connection");
      }
    }
    assertThat(Path.of("target/tests.log"))
        .content()
        .contains("WRONGPASS")
        .doesNotContain(PASSWORD);
  }

  private static int recent(RedisUserStates store) {
    return store.recent("u", INTERACTIONS, 1, Duration.ofSeconds(60)).size();
  }

  private static RedisUserStates open(String address) {
    return RedisUserStates.open(RedisAddress.parse(address), EmbeddedUserStates.inMemory(1), 1);
  }
}
