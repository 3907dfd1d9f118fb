package io.espalier.stores.features;

import java.util.concurrent.atomic.LongAdder;

/** How often a feature was known and how often its default was served. */
public final class HitCounter {
  private final LongAdder hits = new LongAdder();
  private final LongAdder misses = new LongAdder();

  HitCounter() {}

  /** Counts a look-up. */
  public void count(boolean hit) {
    (hit ? hits : misses).increment();
  }

  public long hits() {
    return hits.sum();
  }

  public long misses() {
    return misses.sum();
  }

  /** Share of look-ups that found a value; 1 before the first. */
  public double rate() {
    long h = hits();
    long all = h + misses();
    return all == 0 ? 1 : (double) h / all;
  }
}
