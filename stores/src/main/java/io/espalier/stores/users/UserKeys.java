package io.espalier.stores.users;

import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Set;

/**
 * The keys that users' records are sealed with, one a user.
 *
 * <p>A log cannot forget a record; it forgets what the record says when the key is destroyed. Of an
 * erased user a mark stays, under a hash of his id: until when what was known of him is forgotten.
 * Safe for use by many threads.
 */
public interface UserKeys extends AutoCloseable {

  /**
   * The users' keys, made for those who have none; durable on return.
   *
   * @param within how long a server is waited for
   * @return by user
   * @throws UserStateException when they are not to be had
   */
  Map<String, UserKey> keys(Set<String> users, Duration within);

  /**
   * Those of some keys that were not destroyed.
   *
   * @param ids of keys, in hexadecimal digits
   * @return by id
   * @throws UserStateException when it cannot be known
   */
  Map<String, UserKey> find(Set<String> ids, Duration within);

  /**
   * Destroys a user's key. The next one is for what he does after {@code at}.
   *
   * @throws UserStateException when it is not certain that it is destroyed
   */
  void destroy(String user, Instant at, Duration within);

  @Override
  void close();
}
