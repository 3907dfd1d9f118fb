package io.espalier.stores.log;

import java.io.IOException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** One file of a log: consecutive frames from an offset on, named by it. */
final class Segment {
  // The position of one frame in so many is kept.
  private static final int SPARSE = 64;
  private static final int DIGITS = 20;
  private static final Pattern NAME = Pattern.compile("[0-9]{" + DIGITS + "}\\.log");

  private final String place;
  private final LogFiles.LogFile file;
  private final long first;
  private long next;
  private long size;
  // Volatile, for readers of records that were written before.
  private volatile long[] positions = new long[16];

  private Segment(String place, LogFiles.LogFile file, long first) {
    this.place = place;
    this.file = file;
    this.first = first;
    this.next = first;
  }

  static Segment open(LogFiles files, long first) throws IOException {
    String name = name(first);
    return new Segment(files + "/" + name, files.open(name), first);
  }

  static String name(long first) {
    return "%020d.log".formatted(first);
  }

  /** The first offset of the file of this name; empty when no log names a file so. */
  static OptionalLong first(String name) {
    if (!NAME.matcher(name).matches()) {
      return OptionalLong.empty();
    }
    BigInteger first = new BigInteger(name.substring(0, DIGITS));
    return first.bitLength() < Long.SIZE
        ? OptionalLong.of(first.longValue())
        : OptionalLong.empty();
  }

  /**
   * Reads the frames of the file, up to its end or to where a frame is broken or out of order.
   *
   * @return where that is
   */
  long scan() throws IOException {
    for (Frame frame = frameAt(size); frame != null; frame = frameAt(size)) {
      added(frame.size());
    }
    return size;
  }

  private @Nullable Frame frameAt(long position) throws IOException {
    Frame frame = Frame.read(file, position);
    return frame != null && frame.offset() == next ? frame : null;
  }

  /**
   * Whether a record was safe although it cannot be read: a frame further on in the file, written
   * when the record was already forced, says so, or a mark.
   */
  boolean wasSafe(long offset) throws IOException {
    long length = file.size();
    ByteBuffer window = ByteBuffer.allocate(1 << 16);
    for (long at = size; at < length; at += window.capacity() - Integer.BYTES + 1) {
      window.clear();
      file.read(window, at);
      window.flip();
      for (int i = 0; i + Integer.BYTES <= window.limit(); i++) {
        if (window.getInt(i) == Frame.MAGIC) {
          Frame frame = Frame.read(file, at + i);
          if (frame != null && frame.safe() >= offset) {
            return true;
          }
        }
      }
    }
    return false;
  }

  private void added(int frameSize) {
    int number = Math.toIntExact(next - first);
    if (number % SPARSE == 0) {
      int slot = number / SPARSE;
      long[] grown = slot < positions.length ? positions : Arrays.copyOf(positions, 2 * slot);
      grown[slot] = size;
      positions = grown;
    }
    next++;
    size += frameSize;
  }

  /** Writes frames after the last one; all of them, or none when it fails. */
  void append(List<byte[]> payloads, long safe) throws IOException {
    int bytes = 0;
    for (byte[] payload : payloads) {
      bytes = Math.addExact(bytes, Frame.HEADER + payload.length);
    }
    ByteBuffer frames = ByteBuffer.allocate(bytes);
    for (int i = 0; i < payloads.size(); i++) {
      Frame.put(frames, next + i, safe, payloads.get(i));
    }
    file.write(frames.array(), size);
    payloads.forEach(payload -> added(Frame.HEADER + payload.length));
  }

  /**
   * Says after the last frame that records up to one are safe; the next append takes its place. It
   * is not forced: what the disk makes of it is as well known as before.
   */
  void mark(long safe) throws IOException {
    file.write(Frame.mark(safe), size);
  }

  /** Takes back what a failed append, or a mark, may have left. */
  void undo() throws IOException {
    file.truncate(size);
  }

  /** The frames from an offset on, up to the last one wanted and while they fit. */
  void read(long from, long last, int maxBytes, List<LogRecord> into) throws IOException {
    int number = Math.toIntExact(from - first);
    long position = positions[number / SPARSE];
    int bytes = into.stream().mapToInt(record -> record.payload().remaining()).sum();
    for (long offset = from - number % SPARSE; offset <= last; offset++) {
      Frame frame = Frame.read(file, position);
      if (frame == null || frame.offset() != offset) {
        throw new LogException(
            place + ": record " + offset + " at " + position + " does not verify");
      }
      position += frame.size();
      if (offset >= from) {
        bytes += frame.payload().remaining();
        if (bytes > maxBytes && !into.isEmpty()) {
          return;
        }
        into.add(new LogRecord(offset, frame.payload()));
      }
    }
  }

  /** The bytes after the last frame and its mark. */
  byte[] rest() throws IOException {
    long from = restAt();
    ByteBuffer rest = ByteBuffer.allocate(Math.toIntExact(file.size() - from));
    file.read(rest, from);
    return Arrays.copyOf(rest.array(), rest.position());
  }

  void force() throws IOException {
    file.force();
  }

  long first() {
    return first;
  }

  /** The offset after the last frame. */
  long next() {
    return next;
  }

  /** Where the last frame ends. */
  long size() {
    return size;
  }

  /** Whether the file goes on after the last frame and its mark. */
  boolean hasRest() throws IOException {
    return file.size() > restAt();
  }

  private long restAt() throws IOException {
    Frame mark = Frame.read(file, size);
    return mark != null && mark.isMark() ? size + mark.size() : size;
  }

  void close() throws IOException {
    file.close();
  }

  @Override
  public String toString() {
    return place;
  }
}
