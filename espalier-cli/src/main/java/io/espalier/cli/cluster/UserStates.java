package io.espalier.cli.cluster;

import io.espalier.server.ConfigException;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.stores.redis.RedisAddress;
import io.espalier.stores.redis.RedisUserKeys;
import io.espalier.stores.redis.RedisUserStates;
import io.espalier.stores.users.Durability;
import io.espalier.stores.users.EmbeddedUserKeys;
import io.espalier.stores.users.EmbeddedUserStates;
import io.espalier.stores.users.UserKeys;
import io.espalier.stores.users.UserStateStore;
import java.io.UncheckedIOException;
import java.nio.file.Path;

/** Which store remembers what users do, by where it is said to be. */
public final class UserStates {
  /** Events kept of each user. */
  public static final int EVENTS = 1000;

  private UserStates() {}

  /**
   * Opens the store over what a data folder knows of its users.
   *
   * @param where a folder, or the address of a server that speaks Redis's protocol; empty for
   *     memory alone
   * @throws ConfigException when it is neither; the message has no password in it
   */
  public static UserStateStore open(String where, DataFolder data) {
    if (RedisAddress.isOne(where)) {
      return RedisUserStates.open(
          address(where), loaded(EmbeddedUserStates.inMemory(EVENTS), data), EVENTS);
    }
    if (where.contains("://")) {
      throw new ConfigException(
          "state: \"%s\" (expected: a folder, or redis://host:port/db)"
              .formatted(RedisAddress.withoutSecrets(where)));
    }
    return loaded(
        where.isEmpty()
            ? EmbeddedUserStates.inMemory(EVENTS)
            : EmbeddedUserStates.open(Path.of(where), EVENTS, Durability.WRITTEN),
        data);
  }

  /**
   * The keys of a store as they are now, whoever has it, to read what was sealed with them.
   *
   * @param where as for {@link #open}
   * @throws ConfigException when it is neither a folder nor such an address
   */
  public static UserKeys keys(String where) {
    if (RedisAddress.isOne(where)) {
      return RedisUserKeys.open(address(where));
    }
    if (where.isEmpty() || where.contains("://")) {
      throw new ConfigException(
          "state: \"%s\" (expected: a folder, or redis://host:port/db)"
              .formatted(RedisAddress.withoutSecrets(where)));
    }
    return EmbeddedUserKeys.read(Path.of(where));
  }

  private static RedisAddress address(String where) {
    try {
      return RedisAddress.parse(where);
    } catch (IllegalArgumentException | UncheckedIOException e) {
      throw new ConfigException("state: " + e.getMessage());
    }
  }

  private static EmbeddedUserStates loaded(EmbeddedUserStates users, DataFolder data) {
    users.load(data, 0);
    return users;
  }
}
