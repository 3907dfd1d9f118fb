package io.espalier.router;

import io.espalier.server.ConfigFile;
import java.util.Base64;
import java.util.Map;

/**
 * What a router needs beside its routes.
 *
 * @param pageTokenKey base64 of the key that signs page tokens, at least 32 bytes, the same on
 *     every router of a cluster; empty: a random one, so that tokens end with the process
 * @param pinnedItems items in all pinned lists together; the least used lists go first
 */
public record RouterConfig(String pageTokenKey, long pinnedItems) {
  private static final int MIN_KEY_BYTES = 32;

  public RouterConfig {
    if (!pageTokenKey.isEmpty() && decoded(pageTokenKey).length < MIN_KEY_BYTES) {
      throw new IllegalArgumentException(
          "page_token_key: %d bytes (expected: base64 of at least %d)"
              .formatted(decoded(pageTokenKey).length, MIN_KEY_BYTES));
    }
    if (pinnedItems < 1_000) {
      throw new IllegalArgumentException(
          "pinned_items: %d (expected: >= 1000)".formatted(pinnedItems));
    }
  }

  /** A random key, and at most half a million pinned items. */
  public static RouterConfig defaults() {
    return new RouterConfig("", 500_000);
  }

  /** The defaults under {@code key} → value pairs. */
  public static RouterConfig of(Map<String, String> overrides) {
    return ConfigFile.bind(
        ConfigFile.override(ConfigFile.parse("", "options"), overrides),
        "options",
        RouterConfig.class,
        defaults());
  }

  byte[] key() {
    return decoded(pageTokenKey);
  }

  /** Without the key. */
  @Override
  public String toString() {
    return "RouterConfig[page_token_key=%s, pinned_items=%d]"
        .formatted(pageTokenKey.isEmpty() ? "(random)" : "(set)", pinnedItems);
  }

  private static byte[] decoded(String key) {
    try {
      return Base64.getDecoder().decode(key);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("page_token_key: not base64 (expected: base64)", e);
    }
  }
}
