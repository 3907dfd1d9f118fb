package io.espalier.stores.users;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * What stands for a user where his id must not be read: 128 bits of SHA-256, in hexadecimal digits.
 *
 * <p>Nobody reads an id from it; who knows an id, or guesses it, can tell that it is this one.
 */
public final class UserHash {
  private static final int BYTES = 16;

  private UserHash() {}

  /** Of a user's id. */
  public static String of(String user) {
    try {
      byte[] hash =
          MessageDigest.getInstance("SHA-256")
              .digest(("espalier user " + user).getBytes(StandardCharsets.UTF_8));
      return HexFormat.of().formatHex(hash, 0, BYTES);
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java has SHA-256", e);
    }
  }
}
