package io.espalier.cli.cluster;

import io.espalier.server.ConfigException;
import io.espalier.stores.redis.RedisAddress;
import io.espalier.stores.redis.RedisFeatureTables;
import java.io.UncheckedIOException;
import java.time.Duration;

/**
 * Where a ranking server looks up the features of items.
 *
 * @param store {@code redis[s]://…}, where {@code espalier features load} put them; empty: in the
 *     bundles' own tables
 * @param budget the longest that a look-up is waited for; afterwards defaults serve, flagged
 * @param cacheMb megabytes of rows that are kept near, for each bundle
 */
public record FeatureSettings(String store, Duration budget, int cacheMb) {
  public FeatureSettings {
    if (budget.isNegative() || budget.isZero()) {
      throw new IllegalArgumentException("budget: " + budget + " (expected: > 0)");
    }
    if (cacheMb < 1 || cacheMb > 1_000_000) {
      throw new IllegalArgumentException("cache_mb: " + cacheMb + " (expected: 1..1000000)");
    }
  }

  /** The bundles' own tables; for a store 10 ms, and 64 MB near. */
  public static FeatureSettings defaults() {
    return new FeatureSettings("", Duration.ofMillis(10), 64);
  }

  FeatureSettings withoutSecrets() {
    return new FeatureSettings(RedisAddress.withoutSecrets(store), budget, cacheMb);
  }

  /** The bytes that are kept near. */
  long cacheBytes() {
    return (long) cacheMb << 20;
  }

  /**
   * Opens the tables of a server.
   *
   * @param key of the configuration, for errors
   * @throws ConfigException when the address is none; the message has no password in it
   */
  public static RedisFeatureTables tables(String key, String store) {
    try {
      return RedisFeatureTables.open(RedisAddress.parse(store));
    } catch (IllegalArgumentException | UncheckedIOException e) {
      throw new ConfigException(key + ": " + e.getMessage());
    }
  }
}
