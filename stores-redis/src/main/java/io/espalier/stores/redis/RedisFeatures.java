package io.espalier.stores.redis;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.espalier.stores.features.CategoryFeature;
import io.espalier.stores.features.FeatureRows;
import io.espalier.stores.features.FeatureStore;
import io.espalier.stores.features.FeatureTable;
import io.espalier.stores.features.FetchOutcome;
import io.espalier.stores.features.HitCounter;
import io.espalier.stores.features.VectorFeature;
import io.espalier.stores.users.UserStateException;
import io.lettuce.core.KeyValue;
import io.lettuce.core.RedisException;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.api.async.RedisAsyncCommands;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A bundle's features on a server, behind a cache of the rows that were read last.
 *
 * <p>Rows of a version never change: a cached one is right for ever, also that an item has none.
 * What is not cached is asked for in one round trip. A late answer fills the cache for the next; an
 * item that is neither cached nor answered for in time is read as the defaults, and the rows say
 * so.
 */
final class RedisFeatures implements FeatureStore {
  private static final Logger log = LoggerFactory.getLogger(RedisFeatures.class);
  private static final int ITEMS_A_COMMAND = 128;
  // Of an entry beside its row.
  private static final int ENTRY_BYTES = 128;
  private static final byte[] NO_ROW = {};

  private final RedisAddress address;
  private final Connection connection;
  private final String bundle;
  private final Duration budget;
  private final String layout;
  private final int rowBytes;
  private final Map<String, VectorFeature> vectors = new LinkedHashMap<>();
  private final Map<String, CategoryFeature> categories = new LinkedHashMap<>();
  private final Map<String, Integer> places = new HashMap<>();
  private final Cache<String, byte[]> cache;
  private final Map<FetchOutcome, LongAdder> fetches = new EnumMap<>(FetchOutcome.class);
  private volatile String problem = "";

  RedisFeatures(
      RedisAddress address,
      Connection connection,
      String bundle,
      FeatureTable features,
      Duration budget,
      long cacheBytes) {
    this.address = address;
    this.connection = connection;
    this.bundle = bundle;
    this.budget = budget;
    this.layout = features.layout();
    this.rowBytes = features.rowBytes();
    int place = 0;
    for (VectorFeature vector : features.vectors()) {
      vectors.put(vector.name(), vector);
      places.put(vector.name(), place);
      place += vector.width() * Float.BYTES;
    }
    for (CategoryFeature category : features.categories()) {
      categories.put(category.name(), category);
      places.put(category.name(), place);
      place += Integer.BYTES;
    }
    this.cache =
        Caffeine.newBuilder()
            .maximumWeight(cacheBytes)
            .weigher((String item, byte[] row) -> ENTRY_BYTES + 2 * item.length() + row.length)
            .build();
    for (FetchOutcome outcome : FetchOutcome.values()) {
      fetches.put(outcome, new LongAdder());
    }
  }

  @Override
  public FeatureRows rows(Collection<String> items, Duration within) {
    Map<String, byte[]> known = new HashMap<>();
    LinkedHashSet<String> missing = new LinkedHashSet<>();
    for (String item : items) {
      byte[] row = cache.getIfPresent(item);
      if (row == null) {
        missing.add(item);
      } else {
        known.put(item, row);
      }
    }
    if (missing.isEmpty()) {
      count(FetchOutcome.CACHED);
      return new Rows(known, null, 0);
    }
    long wait = Math.min(within.toNanos(), budget.toNanos());
    return new Rows(known, fetch(List.copyOf(missing)), System.nanoTime() + wait);
  }

  /** Asks for rows; they are in the cache when it completes. */
  private CompletableFuture<Map<String, byte[]>> fetch(List<String> items) {
    List<CompletableFuture<List<KeyValue<String, byte[]>>>> asked = new ArrayList<>();
    CompletableFuture<byte[]> about;
    try {
      RedisAsyncCommands<String, byte[]> commands = connection.commands();
      about = commands.get(RedisFeatureTables.about(bundle)).toCompletableFuture();
      for (int from = 0; from < items.size(); from += ITEMS_A_COMMAND) {
        RedisFuture<List<KeyValue<String, byte[]>>> some =
            commands.hmget(
                RedisFeatureTables.rows(bundle),
                items
                    .subList(from, Math.min(items.size(), from + ITEMS_A_COMMAND))
                    .toArray(String[]::new));
        asked.add(some.toCompletableFuture());
      }
    } catch (RedisException | UserStateException e) {
      return CompletableFuture.failedFuture(e);
    }
    CompletableFuture<Void> all =
        CompletableFuture.allOf(asked.toArray(CompletableFuture<?>[]::new));
    return about.thenCombine(
        all,
        (said, unused) -> {
          checkTable(said);
          Map<String, byte[]> rows = HashMap.newHashMap(items.size());
          for (CompletableFuture<List<KeyValue<String, byte[]>>> some : asked) {
            for (KeyValue<String, byte[]> one : some.join()) {
              byte[] row = one.getValueOrElse(NO_ROW);
              if (row.length != 0 && row.length != rowBytes) {
                throw new IllegalStateException(
                    "%s: %s: row of %s: %d bytes (expected: %d)"
                        .formatted(address, bundle, one.getKey(), row.length, rowBytes));
              }
              rows.put(one.getKey(), row);
            }
          }
          cache.putAll(rows);
          return rows;
        });
  }

  /** A table that is not there has no rows, and that must not be taken for items without rows. */
  private void checkTable(byte @Nullable [] said) {
    String about = said == null ? "none" : new String(said, StandardCharsets.UTF_8);
    if (!about.startsWith(layout + " rows=")) {
      throw new IllegalStateException(
          "%s: table of %s: %s (expected: one of %s; load it with ./espalier features load %s)"
              .formatted(address, bundle, about, layout, bundle));
    }
  }

  private void count(FetchOutcome outcome) {
    fetches.getOrDefault(outcome, new LongAdder()).increment();
  }

  private void failed(Throwable failure) {
    String reason = Connection.reason(failure);
    if (!reason.equals(problem)) {
      problem = reason;
      log.warn("features of {} are served from what is near, or as defaults: {}", bundle, reason);
    }
  }

  private final class Rows implements FeatureRows {
    private final Map<String, byte[]> known;
    private final long end;
    private @Nullable CompletableFuture<Map<String, byte[]>> pending;
    private boolean late;

    Rows(
        Map<String, byte[]> known,
        @Nullable CompletableFuture<Map<String, byte[]>> pending,
        long end) {
      this.known = known;
      this.pending = pending;
      this.end = end;
    }

    private void await() {
      CompletableFuture<Map<String, byte[]>> waited = pending;
      if (waited == null) {
        return;
      }
      pending = null;
      try {
        known.putAll(waited.get(Math.max(0, end - System.nanoTime()), TimeUnit.NANOSECONDS));
        count(FetchOutcome.FETCHED);
        problem = "";
        return;
      } catch (TimeoutException e) {
        count(FetchOutcome.LATE);
      } catch (ExecutionException | CancellationException e) {
        count(FetchOutcome.FAILED);
        failed(e);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        count(FetchOutcome.LATE);
      }
      late = true;
    }

    private @Nullable ByteBuffer row(String feature, String item) {
      await();
      byte[] row = known.get(item);
      Integer place = places.get(feature);
      return row == null || row.length == 0 || place == null
          ? null
          : ByteBuffer.wrap(row).order(ByteOrder.LITTLE_ENDIAN).position(place);
    }

    @Override
    public boolean vector(String feature, String item, float[] out, int at) {
      VectorFeature vector = get(vectors, feature);
      ByteBuffer row = row(feature, item);
      if (row == null) {
        vector.readDefault(out, at);
        return false;
      }
      row.asFloatBuffer().get(out, at, vector.width());
      vector.counter().count(true);
      return true;
    }

    @Override
    public int category(String feature, String item) {
      CategoryFeature category = get(categories, feature);
      ByteBuffer row = row(feature, item);
      if (row == null) {
        return category.readDefault();
      }
      category.counter().count(true);
      return row.getInt();
    }

    @Override
    public boolean isLate() {
      await();
      return late;
    }
  }

  private static <T> T get(Map<String, T> features, String name) {
    T feature = features.get(name);
    if (feature == null) {
      throw new IllegalArgumentException(
          "feature: " + name + " (expected: one of " + features.keySet() + ")");
    }
    return feature;
  }

  @Override
  public Map<String, HitCounter> counters() {
    Map<String, HitCounter> counters = new LinkedHashMap<>();
    vectors.forEach((name, feature) -> counters.put(name, feature.counter()));
    categories.forEach((name, feature) -> counters.put(name, feature.counter()));
    return counters;
  }

  @Override
  public Map<FetchOutcome, Long> fetches() {
    Map<FetchOutcome, Long> counts = new EnumMap<>(FetchOutcome.class);
    fetches.forEach((outcome, count) -> counts.put(outcome, count.sum()));
    return counts;
  }

  /** The connection is that of the tables. */
  @Override
  public void close() {}
}
