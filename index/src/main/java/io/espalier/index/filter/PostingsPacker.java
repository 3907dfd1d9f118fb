package io.espalier.index.filter;

import io.espalier.index.file.SegmentBuilder;
import io.espalier.index.file.TextTable;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.function.IntUnaryOperator;
import org.roaringbitmap.RoaringBitmap;

/** Makes {@link PackedPostings} of two others, whose items get new numbers. */
final class PostingsPacker {
  // Fewer items than this stay a plain list.
  private static final int LEAST_BITMAP = 16;
  private static final int PACED = 10_000;

  private final TextTable.Builder names = new TextTable.Builder();
  private final SegmentBuilder attributes = new SegmentBuilder();
  private final SegmentBuilder numbers = new SegmentBuilder();
  private final TextTable.Builder texts = new TextTable.Builder();
  private final SegmentBuilder starts = new SegmentBuilder();
  private final SegmentBuilder items = new SegmentBuilder();
  private final int[] row = new int[PackedPostings.WIDTH];
  private final Runnable pace;
  private int entries;
  private int numberCount;
  private int textCount;
  private String attribute = "";
  private int attributeCount;

  private PostingsPacker(Runnable pace) {
    this.pace = pace;
  }

  /**
   * Packs.
   *
   * @param ofFirst by item of the first, its number from now on, rising; −1 to leave it out
   * @param ofSecond the same of the second
   * @param pace called again and again, for a caller who wants the work slowed
   */
  static PackedPostings pack(
      Postings first,
      IntUnaryOperator ofFirst,
      Postings second,
      IntUnaryOperator ofSecond,
      Arena arena,
      Runnable pace) {
    PostingsPacker packer = new PostingsPacker(pace);
    Postings.Cursor a = first.cursor();
    Postings.Cursor b = second.cursor();
    boolean hasA = a.next();
    boolean hasB = b.next();
    while (hasA || hasB) {
      int order = !hasA ? 1 : !hasB ? -1 : Postings.compare(a, b);
      Postings.Cursor entry = order <= 0 ? a : b;
      int[] moved =
          order < 0
              ? moved(a.items(), ofFirst)
              : order > 0
                  ? moved(b.items(), ofSecond)
                  : merged(moved(a.items(), ofFirst), moved(b.items(), ofSecond));
      if (moved.length > 0) {
        packer.add(entry.attribute(), entry.value(), moved);
      }
      hasA = order <= 0 ? a.next() : hasA;
      hasB = order >= 0 ? b.next() : hasB;
    }
    return packer.build(arena);
  }

  private static int[] moved(int[] items, IntUnaryOperator numbers) {
    int n = 0;
    for (int item : items) {
      int number = numbers.applyAsInt(item);
      if (number >= 0) {
        items[n++] = number;
      }
    }
    return n == items.length ? items : Arrays.copyOf(items, n);
  }

  private static int[] merged(int[] a, int[] b) {
    int[] both = Arrays.copyOf(a, a.length + b.length);
    System.arraycopy(b, 0, both, a.length, b.length);
    Arrays.sort(both);
    return both;
  }

  private void add(String name, AttributeValue value, int[] list) {
    if (attributeCount == 0 || !name.equals(attribute)) {
      endAttribute();
      attribute = name;
      attributeCount++;
      names.add(name);
    }
    switch (value) {
      case AttributeValue.Flag(boolean flag) ->
          addEntry(list, flag ? PackedPostings.NUMBERS : PackedPostings.TRUE);
      case AttributeValue.Numeric(double number) -> {
        numbers.addLong(Double.doubleToRawLongBits(number));
        numberCount++;
        addEntry(list, PackedPostings.TEXTS);
      }
      case AttributeValue.Text(String text) -> {
        texts.add(text);
        textCount++;
        addEntry(list, PackedPostings.KINDS);
      }
    }
  }

  /** Writes the row of the attribute before, if there is one, and begins the next. */
  private void endAttribute() {
    if (attributeCount > 0) {
      Arrays.stream(row).forEach(attributes::addInt);
    }
    Arrays.fill(row, 0, PackedPostings.KINDS, entries);
    row[PackedPostings.NUMBER_AT] = numberCount;
    row[PackedPostings.TEXT_AT] = textCount;
  }

  /**
   * Adds an entry.
   *
   * @param after the kind that comes next in the order
   */
  private void addEntry(int[] list, int after) {
    addStart();
    entries++;
    Arrays.fill(row, after, PackedPostings.KINDS, entries);
    if (list.length < LEAST_BITMAP || !addBitmap(list)) {
      Arrays.stream(list).forEach(items::addInt);
    }
    if (entries % PACED == 0 || list.length > PACED) {
      pace.run();
    }
  }

  private void addStart() {
    long start = items.size() / Integer.BYTES;
    if (start > 0xffff_ffffL) {
      throw new IllegalStateException("postings: more than 16 GiB (expected: at most that)");
    }
    starts.addInt((int) start);
  }

  private boolean addBitmap(int[] list) {
    RoaringBitmap bitmap = RoaringBitmap.bitmapOf(list);
    bitmap.runOptimize();
    int bytes = bitmap.serializedSizeInBytes();
    int padded = (bytes + Integer.BYTES - 1) / Integer.BYTES * Integer.BYTES;
    if (Integer.BYTES + padded >= (long) list.length * Integer.BYTES) {
      return false;
    }
    items.addInt(PackedPostings.BITMAP);
    byte[] serialized = new byte[padded];
    bitmap.serialize(ByteBuffer.wrap(serialized));
    items.add(MemorySegment.ofArray(serialized), 0, padded);
    return true;
  }

  private PackedPostings build(Arena arena) {
    endAttribute();
    Arrays.stream(row).forEach(attributes::addInt);
    addStart();
    return new PackedPostings(
        names.build(arena),
        attributes.build(arena),
        numbers.build(arena),
        texts.build(arena),
        starts.build(arena),
        items.build(arena));
  }
}
