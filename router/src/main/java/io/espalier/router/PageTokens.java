package io.espalier.router;

import io.espalier.server.RequestException;
import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Arrays;
import java.util.Base64;
import java.util.UUID;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Page tokens: which pinned list, from where, until when, signed together with the fingerprint of
 * the request that they belong to (HMAC-SHA-256, cut to 16 bytes).
 *
 * <p>A token that was changed, that another cluster made, or that comes with another request does
 * not verify; nothing in it is read before it does.
 */
final class PageTokens {
  private static final byte FORMAT = 1;
  private static final int PAYLOAD = 1 + 16 + 4 + 8;
  private static final int SIGNATURE = 16;
  private static final int CHARACTERS = (PAYLOAD + SIGNATURE) * 4 / 3;

  private final SecretKeySpec key;
  private final InstantSource clock;

  PageTokens(byte[] key, InstantSource clock) {
    this.key = new SecretKeySpec(key, "HmacSHA256");
    this.clock = clock;
  }

  /** What a valid token says. */
  record Page(UUID list, int offset) {}

  String issue(UUID list, int offset, Instant expires, byte[] fingerprint) {
    byte[] payload =
        ByteBuffer.allocate(PAYLOAD)
            .put(FORMAT)
            .putLong(list.getMostSignificantBits())
            .putLong(list.getLeastSignificantBits())
            .putInt(offset)
            .putLong(expires.toEpochMilli())
            .array();
    byte[] token = Arrays.copyOf(payload, PAYLOAD + SIGNATURE);
    System.arraycopy(sign(payload, fingerprint), 0, token, PAYLOAD, SIGNATURE);
    return Base64.getUrlEncoder().withoutPadding().encodeToString(token);
  }

  Page verify(String token, byte[] fingerprint) {
    byte[] bytes = decode(token);
    byte[] payload = Arrays.copyOf(bytes, PAYLOAD);
    byte[] signature = Arrays.copyOfRange(bytes, PAYLOAD, PAYLOAD + SIGNATURE);
    if (!MessageDigest.isEqual(signature, sign(payload, fingerprint)) || payload[0] != FORMAT) {
      throw foreign();
    }
    ByteBuffer fields = ByteBuffer.wrap(payload, 1, PAYLOAD - 1);
    UUID list = new UUID(fields.getLong(), fields.getLong());
    int offset = fields.getInt();
    if (clock.instant().toEpochMilli() >= fields.getLong()) {
      throw expired();
    }
    return new Page(list, offset);
  }

  static RequestException expired() {
    return RequestException.invalidArgument(
        "options.page_token: expired (expected: a recent token; ask for the first page again)");
  }

  private static RequestException foreign() {
    return RequestException.invalidArgument(
        "options.page_token: not of this request, or of a router that is gone (expected:"
            + " next_page_token of its last answer; else ask for the first page again)");
  }

  private static byte[] decode(String token) {
    if (token.length() != CHARACTERS) {
      throw foreign();
    }
    try {
      return Base64.getUrlDecoder().decode(token);
    } catch (IllegalArgumentException e) {
      throw foreign();
    }
  }

  private byte[] sign(byte[] payload, byte[] fingerprint) {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(key);
      mac.update(payload);
      return Arrays.copyOf(mac.doFinal(fingerprint), SIGNATURE);
    } catch (GeneralSecurityException e) {
      throw new AssertionError("every Java has HmacSHA256", e);
    }
  }
}
