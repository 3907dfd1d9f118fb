package io.espalier.router;

import io.espalier.server.Secret;
import java.util.Base64;

/**
 * What a router keeps for further pages of its lists.
 *
 * @param pageTokenKey base64 of the key that signs page tokens, at least 32 bytes, the same on
 *     every router of a cluster; none: a random one, so that tokens end with the process
 * @param pinnedItems items in all pinned lists together; the least used lists go first
 */
public record RouterConfig(Secret pageTokenKey, long pinnedItems) {
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
    return new RouterConfig(Secret.none(), 500_000);
  }

  /** Empty where a random one is wanted. */
  byte[] key() {
    return decoded(pageTokenKey);
  }

  private static byte[] decoded(Secret key) {
    try {
      return Base64.getDecoder().decode(key.reveal());
    } catch (IllegalArgumentException e) {
      // Without the cause, which quotes what it cannot read.
      throw new IllegalArgumentException("page_token_key: not base64 (expected: base64)");
    }
  }
}
