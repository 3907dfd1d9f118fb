package io.espalier.router;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.github.benmanes.caffeine.cache.Expiry;
import com.github.benmanes.caffeine.cache.Ticker;
import io.espalier.router.v1.BundleVersion;
import io.espalier.router.v1.Degradation;
import io.espalier.router.v1.Rewrite;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/**
 * Ranked lists that pages are slices of, kept for as long as their tokens live, within a bound on
 * the number of items in all lists together.
 */
final class PinnedLists {
  private final Cache<UUID, Pinned> byId;
  private final Cache<ByteBuffer, Pinned> latest;

  PinnedLists(long maxItems, InstantSource clock) {
    this.byId = cache(maxItems, clock);
    this.latest = cache(maxItems, clock);
  }

  private static <K> Cache<K, Pinned> cache(long maxItems, InstantSource clock) {
    Ticker ticker = () -> TimeUnit.MILLISECONDS.toNanos(clock.millis());
    return Caffeine.newBuilder()
        .maximumWeight(maxItems)
        .weigher((K key, Pinned list) -> list.items().size() + 1)
        .ticker(ticker)
        .executor(Runnable::run)
        .expireAfter(Expiry.<K, Pinned>writing((key, list) -> list.timeToLive()))
        .build();
  }

  /**
   * A list as it was answered.
   *
   * @param revision of the routes that it was made by
   * @param user whose it is; empty where nobody said
   */
  record Pinned(
      String requestId,
      long revision,
      String user,
      String arm,
      List<ListItem> items,
      List<Rewrite> rewrites,
      List<BundleVersion> bundles,
      List<Degradation> degradations,
      boolean shortList,
      long catalogOffset,
      Duration timeToLive) {}

  void pin(UUID id, Pinned list) {
    byId.put(id, list);
  }

  Optional<Pinned> find(UUID id) {
    return Optional.ofNullable(byId.getIfPresent(id));
  }

  /** Forgets every list of a user. */
  void erase(String user) {
    byId.asMap().values().removeIf(list -> list.user().equals(user));
    latest.asMap().values().removeIf(list -> list.user().equals(user));
  }

  /** Remembers a whole answer for the ladder. */
  void remember(byte[] fingerprint, Pinned list) {
    latest.put(ByteBuffer.wrap(fingerprint), list);
  }

  Optional<Pinned> latest(byte[] fingerprint) {
    return Optional.ofNullable(latest.getIfPresent(ByteBuffer.wrap(fingerprint)));
  }
}
