package io.espalier.index.filter;

import io.espalier.index.ItemIds;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.function.IntUnaryOperator;
import org.roaringbitmap.RoaringBitmap;

/**
 * The attributes of one catalogue snapshot, inverted: which items have which value. Compiles
 * filters to bitmaps over item indices. Immutable and safe for use by many threads.
 */
public final class ItemAttributes {
  // Bitmaps of 12 k items take about 2 KB each; a deployment asks the same few filters again and
  // again, so a small cache holds them.
  private static final int CACHED_FILTERS = 256;
  // A filter is the cache's key: one of a hundred thousand ids is not worth its memory.
  private static final int CACHED_VALUES = 256;

  private final ItemIds ids;
  private final Map<String, Map<AttributeValue, RoaringBitmap>> postings;
  // The numeric values of each attribute, ascending, and the items that have them.
  private final Map<String, NavigableMap<Double, RoaringBitmap>> numbers;
  private final Map<ItemFilter, RoaringBitmap> cache =
      new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<ItemFilter, RoaringBitmap> eldest) {
          return size() > CACHED_FILTERS;
        }
      };

  private ItemAttributes(
      ItemIds ids,
      Map<String, Map<AttributeValue, RoaringBitmap>> postings,
      Map<String, NavigableMap<Double, RoaringBitmap>> numbers) {
    this.ids = ids;
    this.postings = postings;
    this.numbers = numbers;
  }

  /** Starts the attributes of the items of {@code ids}. */
  public static Builder builder(ItemIds ids) {
    return new Builder(ids);
  }

  /**
   * The attributes of two sets of items as one.
   *
   * @param ids the items of both
   * @param ofFirst by index in the first, the item's in {@code ids}; −1 for one that is left out;
   *     rising with it
   * @param ofSecond the same of the second
   */
  public static ItemAttributes merged(
      ItemIds ids,
      ItemAttributes first,
      IntUnaryOperator ofFirst,
      ItemAttributes second,
      IntUnaryOperator ofSecond) {
    Map<String, Map<AttributeValue, RoaringBitmap>> postings = new HashMap<>();
    first.addTo(postings, ofFirst);
    second.addTo(postings, ofSecond);
    return of(ids, postings);
  }

  private void addTo(
      Map<String, Map<AttributeValue, RoaringBitmap>> merged, IntUnaryOperator indices) {
    postings.forEach(
        (attribute, values) ->
            values.forEach(
                (value, items) -> {
                  RoaringBitmap moved = moved(items, indices);
                  if (!moved.isEmpty()) {
                    merged
                        .computeIfAbsent(attribute, a -> new HashMap<>())
                        .merge(value, moved, (a, b) -> RoaringBitmap.or(a, b));
                  }
                }));
  }

  private static RoaringBitmap moved(RoaringBitmap items, IntUnaryOperator indices) {
    RoaringBitmap moved = new RoaringBitmap();
    items.forEach(
        (int item) -> {
          int index = indices.applyAsInt(item);
          if (index >= 0) {
            moved.add(index);
          }
        });
    return moved;
  }

  private static ItemAttributes of(
      ItemIds ids, Map<String, Map<AttributeValue, RoaringBitmap>> postings) {
    Map<String, NavigableMap<Double, RoaringBitmap>> numbers = new HashMap<>();
    postings.forEach(
        (attribute, values) -> {
          NavigableMap<Double, RoaringBitmap> sorted = new TreeMap<>();
          values.forEach(
              (value, items) -> {
                if (value instanceof AttributeValue.Numeric(double number)) {
                  sorted.put(number, items);
                }
              });
          numbers.put(attribute, sorted);
        });
    return new ItemAttributes(ids, postings, numbers);
  }

  public ItemIds ids() {
    return ids;
  }

  /** The indices of the items that satisfy a filter; not to be changed. */
  public RoaringBitmap compile(ItemFilter filter) {
    synchronized (cache) {
      RoaringBitmap known = cache.get(filter);
      if (known != null) {
        return known;
      }
    }
    RoaringBitmap compiled = evaluate(filter);
    compiled.runOptimize();
    if (values(filter) <= CACHED_VALUES) {
      synchronized (cache) {
        cache.put(filter, compiled);
      }
    }
    return compiled;
  }

  private static int values(ItemFilter filter) {
    return switch (filter) {
      case ItemFilter.Equals e -> 1;
      case ItemFilter.Range range -> 1;
      case ItemFilter.In in -> in.values().size();
      case ItemFilter.Ids wanted -> wanted.ids().size();
      case ItemFilter.Not not -> values(not.operand());
      case ItemFilter.AllOf all -> all.operands().stream().mapToInt(f -> values(f)).sum();
      case ItemFilter.AnyOf any -> any.operands().stream().mapToInt(f -> values(f)).sum();
    };
  }

  private RoaringBitmap evaluate(ItemFilter filter) {
    return switch (filter) {
      case ItemFilter.Equals e -> posting(e.attribute(), e.value()).clone();
      case ItemFilter.In in -> {
        RoaringBitmap any = new RoaringBitmap();
        for (AttributeValue value : in.values()) {
          any.or(posting(in.attribute(), value));
        }
        yield any;
      }
      case ItemFilter.Range range -> {
        RoaringBitmap within = new RoaringBitmap();
        // + 0.0 makes -0 and 0 one bound.
        double min = range.min() + 0.0;
        double max = range.max() + 0.0;
        if (min <= max) {
          numbers
              .getOrDefault(range.attribute(), Collections.emptyNavigableMap())
              .subMap(min, true, max, true)
              .values()
              .forEach(within::or);
        }
        yield within;
      }
      case ItemFilter.AllOf all -> {
        RoaringBitmap every = everything();
        for (ItemFilter operand : all.operands()) {
          every.and(evaluate(operand));
        }
        yield every;
      }
      case ItemFilter.AnyOf anyOf -> {
        RoaringBitmap any = new RoaringBitmap();
        for (ItemFilter operand : anyOf.operands()) {
          any.or(evaluate(operand));
        }
        yield any;
      }
      case ItemFilter.Not not -> {
        RoaringBitmap rest = everything();
        rest.andNot(evaluate(not.operand()));
        yield rest;
      }
      case ItemFilter.Ids wanted -> {
        RoaringBitmap named = new RoaringBitmap();
        for (String id : wanted.ids()) {
          int item = ids.indexOf(id);
          if (item >= 0) {
            named.add(item);
          }
        }
        yield named;
      }
    };
  }

  private RoaringBitmap posting(String attribute, AttributeValue value) {
    RoaringBitmap items = postings.getOrDefault(attribute, Map.of()).get(value);
    return items == null ? new RoaringBitmap() : items;
  }

  private RoaringBitmap everything() {
    return RoaringBitmap.bitmapOfRange(0, ids.size());
  }

  /** Collects values; the same item may have several values of one attribute. */
  public static final class Builder {
    private final ItemIds ids;
    private final Map<String, Map<AttributeValue, RoaringBitmap>> postings = new HashMap<>();

    private Builder(ItemIds ids) {
      this.ids = ids;
    }

    /** Gives an item, by index, a value of an attribute. */
    public Builder add(int item, String attribute, AttributeValue value) {
      if (item < 0 || item >= ids.size()) {
        throw new IllegalArgumentException(
            "item: " + item + " (expected: 0.." + (ids.size() - 1) + ")");
      }
      postings
          .computeIfAbsent(attribute, a -> new HashMap<>())
          .computeIfAbsent(value, v -> new RoaringBitmap())
          .add(item);
      return this;
    }

    public ItemAttributes build() {
      return of(ids, postings);
    }
  }
}
