package io.espalier.router;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.github.benmanes.caffeine.cache.Expiry;
import com.github.benmanes.caffeine.cache.Ticker;
import io.espalier.router.v1.BundleVersion;
import io.espalier.router.v1.Degradation;
import io.espalier.router.v1.Rewrite;
import io.espalier.stores.users.UserHash;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.time.Instant;
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
  private static final Duration REQUESTS_END = Duration.ofMinutes(10);

  private final Cache<UUID, Pinned> byId;
  private final Cache<ByteBuffer, Pinned> latest;
  private final InstantSource clock;
  // For as long as a request could be in progress that began before.
  private final Cache<String, Instant> erased =
      Caffeine.newBuilder().expireAfterWrite(REQUESTS_END).build();

  PinnedLists(long maxItems, InstantSource clock) {
    this.clock = clock;
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
   * @param user the {@link UserHash} of whose it is; empty where nobody said
   * @param asked when its first page was asked for
   * @param items kept as {@link PackedItems}, whatever list they come in
   */
  record Pinned(
      String requestId,
      long revision,
      String user,
      Instant asked,
      String arm,
      List<ListItem> items,
      List<Rewrite> rewrites,
      List<BundleVersion> bundles,
      List<Degradation> degradations,
      boolean shortList,
      long catalogOffset,
      RouteAnswer.Evidence evidence,
      Duration timeToLive) {
    Pinned {
      items = PackedItems.of(items);
    }
  }

  void pin(UUID id, Pinned list) {
    byId.put(id, list);
    if (isErased(list)) {
      byId.invalidate(id);
    }
  }

  /** Whether its user was erased after it had been asked for: its making may know what he did. */
  private boolean isErased(Pinned list) {
    Instant until = list.user().isEmpty() ? null : erased.getIfPresent(list.user());
    return until != null && !list.asked().isAfter(until);
  }

  Optional<Pinned> find(UUID id) {
    return Optional.ofNullable(byId.getIfPresent(id));
  }

  /**
   * Forgets every list of a user that was asked for until now, those of requests in progress too.
   *
   * @param userHash his {@link UserHash}
   */
  void erase(String userHash) {
    erased.put(userHash, clock.instant());
    byId.asMap().values().removeIf(this::isErased);
    latest.asMap().values().removeIf(this::isErased);
  }

  /** Remembers a whole answer for the ladder. */
  void remember(byte[] fingerprint, Pinned list) {
    ByteBuffer key = ByteBuffer.wrap(fingerprint);
    latest.put(key, list);
    if (isErased(list)) {
      latest.invalidate(key);
    }
  }

  Optional<Pinned> latest(byte[] fingerprint) {
    return Optional.ofNullable(latest.getIfPresent(ByteBuffer.wrap(fingerprint)));
  }
}
