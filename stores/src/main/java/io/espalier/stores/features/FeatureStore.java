package io.espalier.stores.features;

import java.time.Duration;
import java.util.Collection;
import java.util.Map;

/**
 * The features of a bundle's items by name, each with its default on a miss and a count of hits and
 * misses. Safe for use by many threads.
 */
public interface FeatureStore extends AutoCloseable {

  /**
   * Begins to look up all features of some items, in one go; whoever reads the rows waits for them.
   *
   * @param within how long a server is waited for
   */
  FeatureRows rows(Collection<String> items, Duration within);

  /** Hits and misses by feature. */
  Map<String, HitCounter> counters();

  /** How look-ups at a server ended, by outcome; none where the store is in this process. */
  Map<FetchOutcome, Long> fetches();

  @Override
  void close();
}
