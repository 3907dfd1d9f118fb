package io.espalier.index.filter;

import java.util.Collections;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import org.roaringbitmap.RoaringBitmap;

/** Postings that are still collected, or few: one bitmap a value. */
final class HeapPostings implements Postings {
  private final Map<String, Map<AttributeValue, RoaringBitmap>> postings = new HashMap<>();
  // The numeric values of each attribute, ascending; once they are asked for.
  private final Map<String, NavigableMap<Double, RoaringBitmap>> numbers = new HashMap<>();

  void add(int item, String attribute, AttributeValue value) {
    postings
        .computeIfAbsent(Postings.wellFormed(attribute), a -> new HashMap<>())
        .computeIfAbsent(value, v -> new RoaringBitmap())
        .add(item);
  }

  @Override
  public void addTo(RoaringBitmap items, String attribute, AttributeValue value) {
    RoaringBitmap posting = postings.getOrDefault(attribute, Map.of()).get(value);
    if (posting != null) {
      items.or(posting);
    }
  }

  @Override
  public void addRangeTo(RoaringBitmap items, String attribute, double min, double max) {
    numbers(attribute).subMap(min, true, max, true).values().forEach(items::or);
  }

  private NavigableMap<Double, RoaringBitmap> numbers(String attribute) {
    Map<AttributeValue, RoaringBitmap> values = postings.get(attribute);
    if (values == null) {
      return Collections.emptyNavigableMap();
    }
    synchronized (numbers) {
      return numbers.computeIfAbsent(
          attribute,
          a -> {
            NavigableMap<Double, RoaringBitmap> sorted = new TreeMap<>();
            values.forEach(
                (value, items) -> {
                  if (value instanceof AttributeValue.Numeric(double number)) {
                    sorted.put(number, items);
                  }
                });
            return sorted;
          });
    }
  }

  @Override
  public Cursor cursor() {
    Iterator<Map.Entry<String, Map<AttributeValue, RoaringBitmap>>> attributes =
        new TreeMap<>(postings).entrySet().iterator();
    return new Cursor() {
      private String attribute = "";
      private Iterator<Map.Entry<AttributeValue, RoaringBitmap>> values =
          Collections.emptyIterator();
      private Map.Entry<AttributeValue, RoaringBitmap> entry =
          Map.entry(AttributeValue.of(false), new RoaringBitmap());

      @Override
      public boolean next() {
        while (!values.hasNext()) {
          if (!attributes.hasNext()) {
            return false;
          }
          Map.Entry<String, Map<AttributeValue, RoaringBitmap>> next = attributes.next();
          attribute = next.getKey();
          TreeMap<AttributeValue, RoaringBitmap> sorted = new TreeMap<>(Postings::compare);
          sorted.putAll(next.getValue());
          values = sorted.entrySet().iterator();
        }
        entry = values.next();
        return true;
      }

      @Override
      public String attribute() {
        return attribute;
      }

      @Override
      public AttributeValue value() {
        return entry.getKey();
      }

      @Override
      public int[] items() {
        return entry.getValue().toArray();
      }
    };
  }
}
