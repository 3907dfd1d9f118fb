package io.espalier.stores.redis;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.stores.users.UserKeys;
import io.espalier.stores.users.UserKeysContract;
import io.espalier.stores.users.UserStateException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RedisUserKeysTest extends UserKeysContract {
  @TempDir static Path folder;
  private static RedisServer server;

  @BeforeAll
  static void startServer() throws Exception {
    server = RedisServer.start(folder, "--appendonly", "no");
  }

  @AfterAll
  static void stopServer() {
    if (server != null) {
      server.close();
    }
  }

  @Override
  protected UserKeys open() {
    try {
      server.say("FLUSHALL");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return RedisUserKeys.open(server.address());
  }

  @Test
  void keys_ofTwoRouters_areTheSame() {
    try (UserKeys one = open();
        UserKeys other = RedisUserKeys.open(server.address())) {
      assertThat(key(one, "u").id()).isEqualTo(key(other, "u").id());
      other.destroy("u", Instant.EPOCH, WITHIN);
      assertThat(key(one, "u").erased()).isEqualTo(Instant.EPOCH);
    }
  }

  @Test
  void keys_serverStandsStill_areLate() throws Exception {
    try (UserKeys keys = open()) {
      server.freeze();
      assertThatThrownBy(() -> keys.keys(Set.of("u"), Duration.ofMillis(50)))
          .isInstanceOfSatisfying(
              UserStateException.class, late -> assertThat(late.isLate()).isTrue());
    } finally {
      server.thaw();
    }
  }
}
