package io.espalier.stores.users;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** What every {@link UserKeys} does. */
public abstract class UserKeysContract {
  protected static final Duration WITHIN = Duration.ofSeconds(60);

  /** Keys of nobody. */
  protected abstract UserKeys open();

  protected static UserKey key(UserKeys keys, String user) {
    return Objects.requireNonNull(keys.keys(Set.of(user), WITHIN).get(user));
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  @Test
  void keys_user_hasOneAndItOpensWhatItSealed() throws Exception {
    try (UserKeys keys = open()) {
      UserKey first = key(keys, "u");
      assertThat(first.erased()).isEqualTo(Instant.MIN);
      byte[] sealed = first.seal(bytes("what u did"));
      Map<String, UserKey> again = keys.keys(Set.of("u", "v"), WITHIN);
      assertThat(again).containsOnlyKeys("u", "v");
      UserKey same = Objects.requireNonNull(again.get("u"));
      UserKey other = Objects.requireNonNull(again.get("v"));
      Map<String, UserKey> found = keys.find(Set.of(first.id()), WITHIN);

      assertThat(same.id()).isEqualTo(first.id());
      assertThat(other.id()).isNotEqualTo(first.id());
      assertThat(Objects.requireNonNull(found.get(first.id())).open(sealed))
          .isEqualTo(bytes("what u did"));
      assertThat(new String(sealed, StandardCharsets.ISO_8859_1)).doesNotContain("what u did");
      assertThatThrownBy(() -> other.open(sealed)).isInstanceOf(GeneralSecurityException.class);
      sealed[20] ^= 1;
      assertThatThrownBy(() -> first.open(sealed)).isInstanceOf(GeneralSecurityException.class);
    }
  }

  @Test
  void destroy_user_leavesNoKeyAndTheNextOneSaysUntilWhen() {
    try (UserKeys keys = open()) {
      String id = key(keys, "u").id();
      String other = key(keys, "v").id();
      Instant at = Instant.ofEpochSecond(100, 7);
      keys.destroy("u", at, WITHIN);
      keys.destroy("nobody", at, WITHIN);

      assertThat(keys.find(Set.of(id, other), WITHIN)).containsOnlyKeys(other);
      assertThat(key(keys, "u").id()).isNotEqualTo(id);
      assertThat(key(keys, "u").erased()).isEqualTo(at);
      assertThat(key(keys, "nobody").erased()).isEqualTo(at);
      keys.destroy("u", Instant.ofEpochSecond(50), WITHIN);
      assertThat(key(keys, "u").erased()).isEqualTo(at);
      assertThatThrownBy(() -> keys.destroy("", at, WITHIN))
          .hasMessage("user: empty (expected: a user's id)");
    }
  }
}
