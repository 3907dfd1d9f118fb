package io.espalier.stores.redis;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RedisAddressTest {
  @TempDir Path folder;

  @Test
  void parse_address_findsItsParts() throws Exception {
    Path file = Files.writeString(folder.resolve("password"), "s3cret\n");
    assertThat(RedisAddress.parse("redis://host:6379"))
        .isEqualTo(new RedisAddress(false, "", "", "host", 6379, 0, ""));
    assertThat(RedisAddress.parse("rediss://me:a%40b@10.0.0.1:6380/3?ca=" + file))
        .isEqualTo(new RedisAddress(true, "me", "a@b", "10.0.0.1", 6380, 3, file.toString()));
    assertThat(RedisAddress.parse("redis://me:@host:1?password_file=" + file))
        .isEqualTo(new RedisAddress(false, "me", "s3cret", "host", 1, 0, ""));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "redis://",
        "redis://host",
        "redis://host:0",
        "redis://host:99999",
        "redis://host:6379/zero",
        "redis://host:6379/0/1",
        "redis://me@host:6379",
        "redis://host:6379?ca=/etc/ca.pem",
        "redis://host:6379?timeout=1s",
        "redis://host:6379#x",
        "http://host:6379",
        "redis://host :6379"
      })
  void parse_badAddress_namesItAndTheForm(String address) {
    assertThatThrownBy(() -> RedisAddress.parse(address))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("(expected: redis[s]://[[user]:password@]host:port[/db]");
  }

  @ParameterizedTest
  @ValueSource(strings = {"rediss://host:1?ca=", "redis://host:1?password_file="})
  void parse_fileMissing_namesIt(String address) {
    Path missing = folder.resolve("missing");
    assertThatThrownBy(() -> RedisAddress.parse(address + missing))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageEndingWith(": " + missing + " (expected: a file that can be read)");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "redis://:s3cret@host",
        "redis://me:s3cret@host:1/x",
        "redis://:s3cret/@host:1",
        "redis://:s3 cret@host:1",
        "rediss://me:s3cret%zz@host:1",
        "valkey://:s3cret@host:1",
        "REDIS://:s3cret@host:1",
        "redis+tls://me:s3cret@host:1"
      })
  void messages_neverSayThePassword(String address) {
    assertThatThrownBy(() -> RedisAddress.parse(address))
        .hasMessageNotContaining("s3")
        .hasMessageNotContaining("cret")
        .hasNoCause();
    assertThat(RedisAddress.withoutSecrets(address)).doesNotContain("cret").contains("@host");
    assertThat(RedisAddress.parse("redis://me:s3cret@host:1/2")).hasToString("redis://host:1/2");
  }
}
