package io.espalier.index.filter;

import static io.espalier.index.file.Numbers.INT;
import static io.espalier.index.file.Numbers.LONG;

import io.espalier.index.file.SectionFile;
import io.espalier.index.file.SectionFileWriter;
import io.espalier.index.file.TextTable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.function.IntPredicate;
import org.roaringbitmap.BitSetUtil;
import org.roaringbitmap.RoaringBitmap;

/**
 * Postings off the heap or in a mapped file. A value is an <em>entry</em>; entries are sorted as a
 * {@link Postings.Cursor} gives them, so that a value is found by bisection and a range of numbers
 * is a range of entries. An entry's items are plain numbers, or a bitmap in Roaring's own format
 * where that is smaller.
 */
final class PackedPostings implements Postings {
  /** Stands before a bitmap, where a plain list would have its first item. */
  static final int BITMAP = -1;

  // Of an attribute: the first entries of each kind, and where its numbers and texts begin.
  static final int FALSE = 0;
  static final int TRUE = 1;
  static final int NUMBERS = 2;
  static final int TEXTS = 3;
  static final int KINDS = 4;
  static final int NUMBER_AT = 4;
  static final int TEXT_AT = 5;
  static final int WIDTH = 6;

  // A range of more entries than this sets bits in one array, instead of merging bitmaps.
  private static final int FEW = 64;

  private final TextTable names;
  // WIDTH numbers an attribute, and one row more.
  private final MemorySegment attributes;
  private final MemorySegment numbers;
  private final TextTable texts;
  // By entry, in fours of bytes, unsigned; one more.
  private final MemorySegment starts;
  private final MemorySegment items;

  PackedPostings(
      TextTable names,
      MemorySegment attributes,
      MemorySegment numbers,
      TextTable texts,
      MemorySegment starts,
      MemorySegment items) {
    this.names = names;
    this.attributes = attributes;
    this.numbers = numbers;
    this.texts = texts;
    this.starts = starts;
    this.items = items;
  }

  static PackedPostings of(SectionFile file) throws IOException {
    return new PackedPostings(
        TextTable.of(file, "attribute-names"),
        file.section("attributes"),
        file.section("numbers"),
        TextTable.of(file, "texts"),
        file.section("posting-starts"),
        file.section("postings"));
  }

  void addTo(SectionFileWriter file) {
    names.addTo(file, "attribute-names");
    file.add("attributes", attributes).add("numbers", numbers);
    texts.addTo(file, "texts");
    file.add("posting-starts", starts).add("postings", items);
  }

  long byteSize() {
    return names.byteSize()
        + attributes.byteSize()
        + numbers.byteSize()
        + texts.byteSize()
        + starts.byteSize()
        + items.byteSize();
  }

  /** The number of an attribute; −1 when there is none. */
  private int attribute(String name) {
    int at = first(0, names.size(), n -> names.get(n).compareTo(name) >= 0);
    return at < names.size() && names.get(at).equals(name) ? at : -1;
  }

  private int of(int attribute, int what) {
    return attributes.getAtIndex(INT, (long) attribute * WIDTH + what);
  }

  /** The first number of a range from which on a condition holds; the range's end for none. */
  private static int first(int from, int to, IntPredicate holds) {
    int low = from;
    int high = to;
    while (low < high) {
      int middle = (low + high) >>> 1;
      if (holds.test(middle)) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }

  private double number(int at) {
    return Double.longBitsToDouble(numbers.getAtIndex(LONG, at));
  }

  @Override
  public void addTo(RoaringBitmap found, String name, AttributeValue value) {
    int attribute = attribute(name);
    int entry = attribute < 0 ? -1 : entry(attribute, value);
    if (entry >= 0) {
      addTo(found, entry);
    }
  }

  /** The entry of a value; −1 when the attribute does not have it. */
  private int entry(int attribute, AttributeValue value) {
    switch (value) {
      case AttributeValue.Flag(boolean flag) -> {
        int at = of(attribute, flag ? TRUE : FALSE);
        return at < of(attribute, flag ? NUMBERS : TRUE) ? at : -1;
      }
      case AttributeValue.Numeric(double number) -> {
        int at = firstNumber(attribute, number, true);
        return at < of(attribute + 1, NUMBER_AT) && number(at) == number
            ? of(attribute, NUMBERS) + at - of(attribute, NUMBER_AT)
            : -1;
      }
      case AttributeValue.Text(String text) -> {
        int from = of(attribute, TEXT_AT);
        int to = of(attribute + 1, TEXT_AT);
        int at = first(from, to, n -> texts.get(n).compareTo(text) >= 0);
        return at < to && texts.get(at).equals(text) ? of(attribute, TEXTS) + at - from : -1;
      }
    }
  }

  /** Where an attribute's numbers from a bound on begin, the bound among them or not. */
  private int firstNumber(int attribute, double bound, boolean inclusive) {
    return first(
        of(attribute, NUMBER_AT),
        of(attribute + 1, NUMBER_AT),
        n -> inclusive ? number(n) >= bound : number(n) > bound);
  }

  @Override
  public void addRangeTo(RoaringBitmap found, String name, double min, double max) {
    int attribute = attribute(name);
    if (attribute < 0) {
      return;
    }
    int shift = of(attribute, NUMBERS) - of(attribute, NUMBER_AT);
    int from = shift + firstNumber(attribute, min, true);
    int to = shift + firstNumber(attribute, max, false);
    if (to - from <= FEW) {
      for (int entry = from; entry < to; entry++) {
        addTo(found, entry);
      }
    } else {
      found.or(union(from, to));
    }
  }

  private RoaringBitmap union(int from, int to) {
    long[] bits = new long[0];
    for (int entry = from; entry < to; entry++) {
      int[] list = items(entry);
      int last = list.length == 0 ? -1 : list[list.length - 1] >>> 6;
      if (last >= bits.length) {
        bits = Arrays.copyOf(bits, Math.max(last + 1, 2 * bits.length));
      }
      for (int item : list) {
        bits[item >>> 6] |= 1L << item;
      }
    }
    return BitSetUtil.bitmapOf(bits);
  }

  private long start(int entry) {
    return Integer.toUnsignedLong(starts.getAtIndex(INT, entry)) * Integer.BYTES;
  }

  private boolean isBitmap(int entry) {
    return start(entry) < start(entry + 1) && items.get(INT, start(entry)) == BITMAP;
  }

  private void addTo(RoaringBitmap found, int entry) {
    if (isBitmap(entry)) {
      found.or(bitmap(entry));
    } else {
      found.add(plain(entry));
    }
  }

  private int[] items(int entry) {
    return isBitmap(entry) ? bitmap(entry).toArray() : plain(entry);
  }

  private int[] plain(int entry) {
    int[] list = new int[(int) ((start(entry + 1) - start(entry)) / Integer.BYTES)];
    MemorySegment.copy(items, INT, start(entry), list, 0, list.length);
    return list;
  }

  private RoaringBitmap bitmap(int entry) {
    long from = start(entry) + Integer.BYTES;
    RoaringBitmap read = new RoaringBitmap();
    try {
      read.deserialize(items.asSlice(from, start(entry + 1) - from).asByteBuffer());
    } catch (IOException e) {
      // Its checksum was right.
      throw new UncheckedIOException(e);
    }
    return read;
  }

  @Override
  public Cursor cursor() {
    return new Cursor() {
      private int attribute = -1;
      private String name = "";
      private int entry = -1;

      @Override
      public boolean next() {
        entry++;
        if (entry * (long) Integer.BYTES >= starts.byteSize() - Integer.BYTES) {
          return false;
        }
        while (attribute < 0 || entry >= of(attribute + 1, FALSE)) {
          attribute++;
          name = names.get(attribute);
        }
        return true;
      }

      @Override
      public String attribute() {
        return name;
      }

      @Override
      public AttributeValue value() {
        if (entry < of(attribute, NUMBERS)) {
          return AttributeValue.of(entry >= of(attribute, TRUE));
        }
        if (entry < of(attribute, TEXTS)) {
          return AttributeValue.of(
              number(entry - of(attribute, NUMBERS) + of(attribute, NUMBER_AT)));
        }
        return AttributeValue.of(texts.get(entry - of(attribute, TEXTS) + of(attribute, TEXT_AT)));
      }

      @Override
      public int[] items() {
        return PackedPostings.this.items(entry);
      }
    };
  }
}
