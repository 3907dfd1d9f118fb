package io.espalier.stores.redis;

import io.espalier.stores.features.FeatureStore;
import io.espalier.stores.features.FeatureTable;
import io.espalier.stores.users.UserStateException;
import io.lettuce.core.ScriptOutputType;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.Future;

/**
 * Bundles' feature tables on a server, each under {@code bundle@version}: a hash of rows by item,
 * and what is in it. A version's table never changes once it is there.
 */
public final class RedisFeatureTables implements AutoCloseable {
  private static final String PREFIX = "espalier:features:1:";
  private static final String PUBLISH = Call.script("publish.lua");
  private static final Duration PATIENCE = Duration.ofSeconds(30);
  private static final int LOADED_AT_ONCE = 500;

  private final RedisAddress address;
  private final Connection connection;

  private RedisFeatureTables(RedisAddress address) {
    this.address = address;
    this.connection = new Connection(address);
  }

  /** Opens the tables of a server; one that is away is no error. */
  public static RedisFeatureTables open(RedisAddress address) {
    RedisFeatureTables opened = new RedisFeatureTables(address);
    opened.connection.awaitFirst();
    return opened;
  }

  static String rows(String bundle) {
    return PREFIX + "{" + bundle + "}:rows";
  }

  /** Where it is said what is in the rows. */
  static String about(String bundle) {
    return PREFIX + "{" + bundle + "}:about";
  }

  /**
   * A store that reads the table of a bundle.
   *
   * @param bundle as {@code name@version}
   * @param features names, widths and defaults; rows are not read from it
   * @param budget the longest that one look-up is waited for
   * @param cacheBytes rows that are kept near in all, in bytes
   */
  public FeatureStore store(
      String bundle, FeatureTable features, Duration budget, long cacheBytes) {
    return new RedisFeatures(
        address, connection, bundle, features.withoutRows(), budget, cacheBytes);
  }

  /**
   * Writes a bundle's table, which nobody sees before it is whole.
   *
   * @return false when the same table was there already
   * @throws IllegalStateException when another table is there: a version does not change
   * @throws UserStateException when the server is late or away
   */
  public boolean load(String bundle, FeatureTable table) {
    connection.awaitFirst(PATIENCE);
    String loading = PREFIX + "{" + bundle + "}:loading:" + UUID.randomUUID();
    MessageDigest digest = sha256();
    List<String> items = table.items();
    for (int from = 0; from < items.size(); from += LOADED_AT_ONCE) {
      List<Future<?>> asked = new ArrayList<>();
      try (Call call = call()) {
        Map<String, byte[]> batch = new HashMap<>();
        for (String item : items.subList(from, Math.min(items.size(), from + LOADED_AT_ONCE))) {
          byte[] row = table.row(item);
          digest.update(item.getBytes(StandardCharsets.UTF_8));
          digest.update((byte) 0);
          digest.update(row);
          batch.put(item, row);
        }
        asked.add(call.start(commands -> commands.hset(loading, batch)));
        // Who stops in the middle leaves nothing for long.
        asked.add(call.start(commands -> commands.expire(loading, Duration.ofHours(1))));
        asked.forEach(call::get);
      }
    }
    String about =
        "%s rows=%d sha256=%s"
            .formatted(table.layout(), items.size(), HexFormat.of().formatHex(digest.digest()));
    try (Call call = call()) {
      byte[] there =
          call.get(
              call.start(
                  commands ->
                      commands.eval(
                          PUBLISH,
                          ScriptOutputType.VALUE,
                          new String[] {loading, rows(bundle), about(bundle)},
                          about.getBytes(StandardCharsets.UTF_8))));
      String answer = new String(there, StandardCharsets.UTF_8);
      if (!answer.isEmpty() && !answer.equals(about)) {
        throw new IllegalStateException(
            "%s: %s has %s (expected: %s, since a version does not change)"
                .formatted(address, bundle, answer, about));
      }
      return answer.isEmpty();
    }
  }

  private Call call() {
    return new Call(address, connection, PATIENCE);
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java has SHA-256", e);
    }
  }

  @Override
  public void close() {
    connection.close();
  }
}
