package io.espalier.stores.redis;

import io.espalier.stores.users.UserEvent;
import io.espalier.stores.users.UserKey;
import io.espalier.stores.users.UserKeys;
import io.espalier.stores.users.UserStateException;
import io.lettuce.core.KeyValue;
import io.lettuce.core.ScriptOutputType;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Future;

/**
 * Users' keys on a server that routers share, beside their events. All of a call are asked for
 * before the first is waited for.
 */
public final class RedisUserKeys implements UserKeys {
  // Who opens them by themselves has nothing to do without them.
  private static final Duration PATIENCE = Duration.ofSeconds(30);
  private static final String SCRIPT = Call.script("key.lua");

  private final RedisAddress address;
  private final Connection connection;

  /** Over a connection that ends with them. */
  RedisUserKeys(RedisAddress address, Connection connection) {
    this.address = address;
    this.connection = connection;
  }

  /** Opens the keys; a server that is away is no error. */
  public static RedisUserKeys open(RedisAddress address) {
    RedisUserKeys opened = new RedisUserKeys(address, new Connection(address));
    opened.connection.awaitFirst(PATIENCE);
    return opened;
  }

  private Call call(Duration within) {
    return new Call(address, connection, within);
  }

  @Override
  public Map<String, UserKey> keys(Set<String> users, Duration within) {
    users.forEach(UserEvent::checkUser);
    try (Call call = call(within)) {
      Map<String, Future<List<byte[]>>> asked = new LinkedHashMap<>();
      for (String user : users) {
        UserKey offered = UserKey.random(Instant.MIN);
        asked.put(
            user,
            call.start(
                commands ->
                    commands.eval(
                        SCRIPT,
                        ScriptOutputType.MULTI,
                        new String[] {UserPlaces.KEY.of(user), UserPlaces.ERASED.of(user)},
                        concat(offered.idBytes(), offered.secret()),
                        (UserPlaces.BY_ID + offered.id()).getBytes(StandardCharsets.US_ASCII))));
      }
      Map<String, UserKey> keys = HashMap.newHashMap(users.size());
      asked.forEach((user, answer) -> keys.put(user, key(call.get(answer))));
      return keys;
    }
  }

  private UserKey key(List<byte[]> answer) {
    byte[] key = answer.getFirst();
    byte[] erased = answer.get(1);
    try {
      return new UserKey(
          Arrays.copyOf(key, UserKey.ID_BYTES),
          Arrays.copyOfRange(key, UserKey.ID_BYTES, Math.max(UserKey.ID_BYTES, key.length)),
          erased.length == 0 ? Instant.MIN : EventCodec.time(erased));
    } catch (IllegalArgumentException | IOException e) {
      throw UserStateException.failed(address + ": a key cannot be read: " + e.getMessage(), e);
    }
  }

  private static byte[] concat(byte[] a, byte[] b) {
    byte[] both = Arrays.copyOf(a, a.length + b.length);
    System.arraycopy(b, 0, both, a.length, b.length);
    return both;
  }

  @Override
  public Map<String, UserKey> find(Set<String> ids, Duration within) {
    if (ids.isEmpty()) {
      return Map.of();
    }
    List<String> asked = List.copyOf(ids);
    try (Call call = call(within)) {
      List<KeyValue<String, byte[]>> answers =
          call.get(
              call.start(
                  commands ->
                      commands.mget(
                          asked.stream().map(id -> UserPlaces.BY_ID + id).toArray(String[]::new))));
      Map<String, UserKey> found = new HashMap<>();
      for (int i = 0; i < asked.size(); i++) {
        if (answers.get(i).hasValue()) {
          found.put(
              asked.get(i),
              key(
                  List.of(
                      concat(HexFormat.of().parseHex(asked.get(i)), answers.get(i).getValue()),
                      new byte[0])));
        }
      }
      return found;
    }
  }

  @Override
  public void destroy(String user, Instant at, Duration within) {
    UserEvent.checkUser(user);
    try (Call call = call(within)) {
      Erasure.run(call, user, at);
    }
  }

  @Override
  public void close() {
    connection.close();
  }
}
