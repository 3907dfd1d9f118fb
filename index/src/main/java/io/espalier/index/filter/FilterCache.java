package io.espalier.index.filter;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.roaringbitmap.RoaringBitmap;

/**
 * What filters compiled to, those that were asked for last: a deployment asks the same ones again
 * and again. Bounded by bytes, since a bitmap takes from a few to megabytes. Safe for use by many
 * threads.
 */
final class FilterCache {
  // Of an entry without values and items, and of a value.
  private static final int ENTRY_BYTES = 512;
  private static final int VALUE_BYTES = 128;

  private final long mostBytes;
  private final Map<ItemFilter, RoaringBitmap> bitmaps = new LinkedHashMap<>(16, 0.75f, true);
  private long bytes;

  FilterCache(long mostBytes) {
    this.mostBytes = mostBytes;
  }

  synchronized @Nullable RoaringBitmap get(ItemFilter filter) {
    return bitmaps.get(filter);
  }

  /** Keeps a bitmap, which is not to be changed, unless it or its filter is too large. */
  synchronized void put(ItemFilter filter, RoaringBitmap bitmap) {
    if (filter.size() > ItemFilter.FEW || bytes(filter, bitmap) > mostBytes) {
      return;
    }
    RoaringBitmap before = bitmaps.put(filter, bitmap);
    bytes += bytes(filter, bitmap) - (before == null ? 0 : bytes(filter, before));
    while (bytes > mostBytes) {
      // The one that was asked for longest ago.
      Map.Entry<ItemFilter, RoaringBitmap> eldest = bitmaps.entrySet().iterator().next();
      bytes -= bytes(eldest.getKey(), eldest.getValue());
      bitmaps.remove(eldest.getKey());
    }
  }

  /** Of the filters whose bitmaps are kept those that were asked for last, the last at the end. */
  synchronized List<ItemFilter> last(int most) {
    return bitmaps.keySet().stream().skip(Math.max(0, bitmaps.size() - most)).toList();
  }

  /** About how much is kept. */
  synchronized long bytes() {
    return bytes;
  }

  private static long bytes(ItemFilter filter, RoaringBitmap bitmap) {
    return ENTRY_BYTES + (long) VALUE_BYTES * filter.size() + bitmap.getLongSizeInBytes();
  }
}
