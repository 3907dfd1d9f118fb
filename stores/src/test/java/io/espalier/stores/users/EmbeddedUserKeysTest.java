package io.espalier.stores.users;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.stores.log.LogException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EmbeddedUserKeysTest extends UserKeysContract {
  @TempDir Path folder;

  @Override
  protected UserKeys open() {
    return EmbeddedUserKeys.open(folder);
  }

  @Test
  void open_again_hasTheKeysAndTheErasures() {
    String kept;
    String fresh;
    try (EmbeddedUserKeys keys = EmbeddedUserKeys.open(folder)) {
      kept = key(keys, "u").id();
      key(keys, "v");
      keys.destroy("v", Instant.ofEpochSecond(9), WITHIN);
      keys.destroy("w", Instant.ofEpochSecond(8), WITHIN);
      fresh = key(keys, "v").id();
    }
    try (EmbeddedUserKeys keys = EmbeddedUserKeys.open(folder)) {
      assertThat(key(keys, "u").id()).isEqualTo(kept);
      assertThat(key(keys, "v").id()).isEqualTo(fresh);
      assertThat(keys.erased("u")).isEmpty();
      assertThat(keys.erased("v")).hasValue(Instant.ofEpochSecond(9));
      assertThat(keys.erased("w")).hasValue(Instant.ofEpochSecond(8));
      // Who only reads is in nobody's way.
      try (EmbeddedUserKeys read = EmbeddedUserKeys.read(folder)) {
        assertThat(read.find(Set.of(kept, fresh), WITHIN)).hasSize(2);
      }
      assertThatThrownBy(() -> EmbeddedUserKeys.open(folder))
          .isInstanceOf(LogException.class)
          .hasMessageContaining("held by another");
    }
  }

  @Test
  void open_cutAtEveryByteOfTheLastSlot_hasTheOthersAndGoesOn() throws IOException {
    String first;
    try (EmbeddedUserKeys keys = EmbeddedUserKeys.open(folder)) {
      first = key(keys, "u").id();
      key(keys, "v");
    }
    Path file = folder.resolve("user-keys");
    byte[] whole = Files.readAllBytes(file);
    assertThat(whole).hasSize(256);
    for (int cut = 128; cut < 256; cut++) {
      Files.write(file, Arrays.copyOf(Arrays.copyOf(whole, cut), cut % 2 == 0 ? cut : 256));
      String made;
      try (EmbeddedUserKeys keys = EmbeddedUserKeys.open(folder)) {
        assertThat(key(keys, "u").id()).as("cut at %d", cut).isEqualTo(first);
        made = key(keys, "w").id();
      }
      try (EmbeddedUserKeys keys = EmbeddedUserKeys.open(folder)) {
        assertThat(key(keys, "w").id()).as("cut at %d", cut).isEqualTo(made);
      }
    }
  }

  @Test
  void open_spoiltSlot_isAnErrorThatNamesIt() throws IOException {
    try (EmbeddedUserKeys keys = EmbeddedUserKeys.open(folder)) {
      keys.keys(Set.of("u", "v", "w"), WITHIN);
    }
    Path file = folder.resolve("user-keys");
    byte[] whole = Files.readAllBytes(file);
    whole[128 + 40] ^= 1;
    Files.write(file, whole);
    assertThatThrownBy(() -> EmbeddedUserKeys.open(folder))
        .isInstanceOf(LogException.class)
        .hasMessage(file + ": key 1 does not verify");
  }
}
