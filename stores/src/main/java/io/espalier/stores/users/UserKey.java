package io.espalier.stores.users;

import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.Arrays;
import java.util.HexFormat;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/**
 * What records of one user are sealed with, until it is destroyed: AES-256-GCM, a random nonce of
 * 12 bytes before each sealed record.
 *
 * <p>Its id is random: it says nothing of the user.
 */
public final class UserKey {
  /** Bytes of an id. */
  public static final int ID_BYTES = 16;

  /** Bytes of a key. */
  public static final int KEY_BYTES = 32;

  private static final int NONCE_BYTES = 12;
  private static final int TAG_BITS = 128;
  private static final SecureRandom RANDOM = new SecureRandom();

  private final byte[] id;
  private final byte[] secret;
  private final Instant erased;

  /**
   * A key that is kept somewhere.
   *
   * @param id 16 bytes
   * @param secret 32 bytes
   * @param erased what was known of the user until then is forgotten and must not be sealed anew;
   *     {@link Instant#MIN} for a user who was never erased
   */
  public UserKey(byte[] id, byte[] secret, Instant erased) {
    if (id.length != ID_BYTES || secret.length != KEY_BYTES) {
      throw new IllegalArgumentException(
          "key: %d and %d bytes (expected: an id of %d, a key of %d)"
              .formatted(id.length, secret.length, ID_BYTES, KEY_BYTES));
    }
    this.id = id.clone();
    this.secret = secret.clone();
    this.erased = erased;
  }

  /** A new one. */
  public static UserKey random(Instant erased) {
    return new UserKey(bytes(ID_BYTES), bytes(KEY_BYTES), erased);
  }

  private static byte[] bytes(int count) {
    byte[] bytes = new byte[count];
    RANDOM.nextBytes(bytes);
    return bytes;
  }

  /** Its id, in hexadecimal digits. */
  public String id() {
    return HexFormat.of().formatHex(id);
  }

  /** Its id. */
  public byte[] idBytes() {
    return id.clone();
  }

  /** The key itself, for who keeps it. */
  public byte[] secret() {
    return secret.clone();
  }

  /** What was known of the user until then is forgotten and must not be sealed anew. */
  public Instant erased() {
    return erased;
  }

  /** Seals bytes: nonce, then what the cipher makes of them. */
  public byte[] seal(byte[] plain) {
    byte[] nonce = bytes(NONCE_BYTES);
    try {
      byte[] made = cipher(Cipher.ENCRYPT_MODE, nonce).doFinal(plain);
      byte[] sealed = Arrays.copyOf(nonce, NONCE_BYTES + made.length);
      System.arraycopy(made, 0, sealed, NONCE_BYTES, made.length);
      return sealed;
    } catch (GeneralSecurityException e) {
      throw new AssertionError("every Java has AES-256-GCM", e);
    }
  }

  /**
   * What was sealed.
   *
   * @throws GeneralSecurityException when this key did not seal it, or it was changed since
   */
  public byte[] open(byte[] sealed) throws GeneralSecurityException {
    if (sealed.length < NONCE_BYTES) {
      throw new GeneralSecurityException(sealed.length + " bytes (expected: a sealed record)");
    }
    return cipher(Cipher.DECRYPT_MODE, Arrays.copyOf(sealed, NONCE_BYTES))
        .doFinal(sealed, NONCE_BYTES, sealed.length - NONCE_BYTES);
  }

  private Cipher cipher(int mode, byte[] nonce) throws GeneralSecurityException {
    Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
    cipher.init(mode, new SecretKeySpec(secret, "AES"), new GCMParameterSpec(TAG_BITS, nonce));
    cipher.updateAAD(id);
    return cipher;
  }

  /** Without the key. */
  @Override
  public String toString() {
    return "UserKey[" + id() + "]";
  }
}
