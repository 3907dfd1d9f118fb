package io.espalier.index.file;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;

/** Texts by number: UTF-8 in a row, off the heap or in a mapped file. Immutable. */
public final class TextTable {
  private static final long MOST_BYTES = 0xffff_ffffL;

  private final MemorySegment bytes;
  // Where each begins, unsigned; one more for the end.
  private final MemorySegment starts;
  private final int size;

  private TextTable(MemorySegment bytes, MemorySegment starts) {
    this.bytes = bytes;
    this.starts = starts;
    this.size = Math.toIntExact(starts.byteSize() / Integer.BYTES - 1);
  }

  /** The table that {@link #addTo} added to a file under a name. */
  public static TextTable of(SectionFile file, String name) throws IOException {
    return new TextTable(file.section(name), file.section(name + "-starts"));
  }

  /** Adds two sections to a file: the name's, and {@code NAME-starts}. */
  public void addTo(SectionFileWriter file, String name) {
    file.add(name, bytes).add(name + "-starts", starts);
  }

  public int size() {
    return size;
  }

  public String get(int number) {
    long from = start(number);
    byte[] text = new byte[(int) (start(number + 1) - from)];
    MemorySegment.copy(bytes, Numbers.BYTE, from, text, 0, text.length);
    return new String(text, StandardCharsets.UTF_8);
  }

  /** The UTF-8 bytes of a text, not to be written. */
  public MemorySegment utf8(int number) {
    long from = start(number);
    return bytes.asSlice(from, start(number + 1) - from);
  }

  private long start(int number) {
    return Integer.toUnsignedLong(starts.getAtIndex(Numbers.INT, number));
  }

  /** Bytes that the table takes. */
  public long byteSize() {
    return bytes.byteSize() + starts.byteSize();
  }

  /** Collects texts, in the order of their numbers. */
  public static final class Builder {
    private final SegmentBuilder bytes = new SegmentBuilder();
    private final SegmentBuilder starts = new SegmentBuilder();

    public void add(String text) {
      add(MemorySegment.ofArray(text.getBytes(StandardCharsets.UTF_8)));
    }

    /** Adds the text of these UTF-8 bytes. */
    public void add(MemorySegment utf8) {
      starts.addInt((int) bytes.size());
      if (bytes.size() + utf8.byteSize() > MOST_BYTES) {
        throw new IllegalStateException(
            "texts: " + (bytes.size() + utf8.byteSize()) + " bytes (expected: at most 4 GiB)");
      }
      bytes.add(utf8, 0, utf8.byteSize());
    }

    public TextTable build(Arena arena) {
      starts.addInt((int) bytes.size());
      return new TextTable(bytes.build(arena), starts.build(arena));
    }
  }
}
