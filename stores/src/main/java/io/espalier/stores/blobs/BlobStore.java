package io.espalier.stores.blobs;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;

/**
 * Files by key, shared by many processes. What is under a key is there whole, or not at all.
 *
 * <p>A key is one or more segments of {@code A-Z a-z 0-9 . _ @ -} with {@code /} between them, none
 * of them {@code .} or {@code ..}, 512 characters in all. No key is the folder of another: {@code
 * a} and {@code a/b} are not stored together.
 *
 * <p>Safe for use by many threads; of two puts under one key, either may stay.
 */
public interface BlobStore extends AutoCloseable {
  /** The longest key, in characters. */
  int MAX_KEY = 512;

  /** What a key looks like. */
  Pattern KEY =
      Pattern.compile("(?!\\.\\.?(/|$))[A-Za-z0-9._@-]+(/(?!\\.\\.?(/|$))[A-Za-z0-9._@-]+)*");

  /**
   * Stores a file's content under a key, in place of what was there. Whole or not at all; durable
   * on return.
   *
   * @throws IllegalArgumentException when the key is not one
   * @throws IOException when the file cannot be read, or the store does not take it
   */
  void put(String key, Path file) throws IOException;

  /**
   * Writes what is under a key to a file, in place of what was there. Whole or not at all.
   *
   * @throws java.nio.file.NoSuchFileException when nothing is under the key; it names the key
   * @throws IOException when the store does not give it, or the file cannot be written
   */
  void get(String key, Path file) throws IOException;

  /**
   * The keys that begin with a prefix, in ascending order.
   *
   * @param prefix empty for all; need not end where a segment does
   */
  List<String> list(String prefix) throws IOException;

  /** Removes what is under a key; nothing when nothing is. */
  void delete(String key) throws IOException;

  @Override
  void close();

  /**
   * The key, if it is one.
   *
   * @throws IllegalArgumentException when it is not
   */
  static String checked(String key) {
    if (key.length() > MAX_KEY || !KEY.matcher(key).matches()) {
      throw new IllegalArgumentException(
          "key: \"%s\" (expected: segments of A-Z a-z 0-9 . _ @ - with / between, none . or .., at most %d characters)"
              .formatted(key, MAX_KEY));
    }
    return key;
  }
}
