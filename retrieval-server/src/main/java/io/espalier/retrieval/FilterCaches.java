package io.espalier.retrieval;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import java.util.function.ToLongFunction;
import org.roaringbitmap.RoaringBitmap;

/** Caches of what sources make of the items that a filter allows, bounded by bytes. */
final class FilterCaches {
  // Of an entry beside what was made.
  private static final int ENTRY_BYTES = 256;

  private FilterCaches() {}

  /** A cache by the very bitmap, whose entries go with it. */
  static <V> Cache<RoaringBitmap, V> ofBytes(long most, ToLongFunction<V> bytes) {
    return Caffeine.newBuilder()
        .weakKeys()
        .maximumWeight(most)
        .weigher(
            (RoaringBitmap matching, V made) ->
                Math.clamp(ENTRY_BYTES + bytes.applyAsLong(made), 1, Integer.MAX_VALUE))
        .build();
  }
}
