package io.espalier.stores.users;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.BiConsumer;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An append-only file of user events: frames of length, CRC-32C and payload.
 *
 * <p>Opening it replays every whole frame. From the first frame that is cut off or fails its
 * checksum on, the bytes are what a crash left of appends that nobody was told had succeeded; they
 * are moved to a file beside the log, not thrown away, and the log goes on before them. One process
 * at a time holds the log. It is never compacted: it is also the record that models learn from.
 */
final class EventLog implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(EventLog.class);
  private static final String FILE = "user-events.log";
  private static final int HEADER = 2 * Integer.BYTES;
  private static final int MAX_PAYLOAD = 1 << 20;

  private final Path file;
  // Not a FileChannel: that one closes itself when a thread is interrupted in the middle of a
  // write.
  private final RandomAccessFile out;
  private final Durability durability;
  private final Object writing = new Object();
  private final Object forcing = new Object();
  private long written;
  private long forced;
  private boolean broken;

  private EventLog(Path file, RandomAccessFile out, Durability durability, long end) {
    this.file = file;
    this.out = out;
    this.durability = durability;
    this.written = end;
    this.forced = end;
  }

  /**
   * Opens or creates the log of a directory and hands every event in it to {@code replay}, in
   * order.
   */
  static EventLog open(
      Path directory, Durability durability, BiConsumer<String, UserEvent> replay) {
    Path file = directory.resolve(FILE);
    RandomAccessFile out = null;
    try {
      boolean created = Files.notExists(file);
      out = new RandomAccessFile(file.toFile(), "rw");
      lock(file, out.getChannel());
      long end = replay(out.getChannel(), replay);
      if (end < out.length()) {
        setAside(file, out.getChannel(), end);
      }
      if (created) {
        forceDirectory(directory);
      }
      out.seek(end);
      return new EventLog(file, out, durability, end);
    } catch (IOException e) {
      closeQuietly(out, e);
      throw new UncheckedIOException(file + ": cannot be opened", e);
    } catch (RuntimeException e) {
      closeQuietly(out, e);
      throw e;
    }
  }

  private static void closeQuietly(@Nullable RandomAccessFile out, Exception reason) {
    if (out != null) {
      try {
        out.close();
      } catch (IOException e) {
        reason.addSuppressed(e);
      }
    }
  }

  // The lock belongs to the channel and goes with it.
  @SuppressWarnings("resource")
  private static void lock(Path file, FileChannel channel) throws IOException {
    FileLock lock;
    try {
      lock = channel.tryLock();
    } catch (OverlappingFileLockException e) {
      lock = null;
    }
    if (lock == null) {
      throw new IllegalStateException(file + ": held by another store (expected: one at a time)");
    }
  }

  private static long replay(FileChannel channel, BiConsumer<String, UserEvent> replay)
      throws IOException {
    long position = 0;
    long size = channel.size();
    ByteBuffer header = ByteBuffer.allocate(HEADER);
    while (size - position >= HEADER) {
      read(channel, header.clear(), position);
      int length = header.getInt(0);
      if (length <= 0 || length > MAX_PAYLOAD || size - position - HEADER < length) {
        break;
      }
      ByteBuffer payload = ByteBuffer.allocate(length);
      read(channel, payload, position + HEADER);
      if (checksum(payload.array()) != header.getInt(Integer.BYTES)) {
        break;
      }
      decode(payload.array(), replay);
      position += HEADER + length;
    }
    return position;
  }

  private static void read(FileChannel channel, ByteBuffer buffer, long position)
      throws IOException {
    while (buffer.hasRemaining()) {
      int n = channel.read(buffer, position + buffer.position());
      if (n < 0) {
        throw new IOException("the file became shorter while it was read");
      }
    }
  }

  private static void setAside(Path file, FileChannel channel, long end) throws IOException {
    long size = channel.size();
    Path aside = file.resolveSibling(file.getFileName() + ".torn-" + end);
    try (FileChannel out =
        FileChannel.open(
            aside,
            StandardOpenOption.CREATE,
            StandardOpenOption.WRITE,
            StandardOpenOption.TRUNCATE_EXISTING)) {
      for (long at = end; at < size; ) {
        at += channel.transferTo(at, size - at, out);
      }
      out.force(true);
    }
    channel.truncate(end);
    channel.force(true);
    log.warn("{}: {} torn bytes at {} were moved to {}", file, size - end, end, aside);
  }

  private static void forceDirectory(Path directory) {
    try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
      channel.force(true);
    } catch (IOException e) {
      // Not every platform can open a directory; those force its entries with the file.
      log.debug("{}: cannot be forced", directory, e);
    }
  }

  /**
   * Appends events and returns once they are as safe as the durability says.
   *
   * @throws UncheckedIOException when they could not be written; none of them is in the log then
   */
  long append(String user, List<UserEvent> events) {
    byte[] frames = encode(user, events);
    synchronized (writing) {
      if (broken) {
        throw new IllegalStateException(file + ": a failed write could not be undone");
      }
      long before = written;
      try {
        out.write(frames);
      } catch (IOException e) {
        undo(before, e);
        throw new UncheckedIOException(file + ": cannot be written", e);
      }
      written = before + frames.length;
      return written;
    }
  }

  /** Where the log ends now. */
  long end() {
    synchronized (writing) {
      return written;
    }
  }

  private void undo(long before, IOException reason) {
    try {
      out.setLength(before);
      out.seek(before);
    } catch (IOException e) {
      reason.addSuppressed(e);
      broken = true;
    }
  }

  /** Waits until everything up to {@code position} is as safe as the durability says. */
  void await(long position) {
    if (durability == Durability.FORCED) {
      force(position);
    }
  }

  private void force(long position) {
    synchronized (forcing) {
      // Whoever waited for this lock was most likely covered by the force that held it.
      if (forced >= position) {
        return;
      }
      long target;
      synchronized (writing) {
        if (broken) {
          throw new IllegalStateException(file + ": a write or force has failed before");
        }
        target = written;
      }
      try {
        out.getFD().sync();
      } catch (IOException e) {
        // What the page cache still holds after a failed force is unknown: nothing may build on it.
        synchronized (writing) {
          broken = true;
        }
        throw new UncheckedIOException(file + ": cannot be forced", e);
      }
      forced = target;
    }
  }

  @Override
  public void close() {
    try (out) {
      if (out.getChannel().isOpen()) {
        out.getFD().sync();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(file + ": cannot be closed", e);
    }
  }

  private static byte[] encode(String user, List<UserEvent> events) {
    ByteArrayOutputStream frames = new ByteArrayOutputStream();
    try (DataOutputStream out = new DataOutputStream(frames)) {
      for (UserEvent event : events) {
        byte[] payload = encode(user, event);
        out.writeInt(payload.length);
        out.writeInt(checksum(payload));
        out.write(payload);
      }
    } catch (IOException e) {
      throw new AssertionError("an array takes every write", e);
    }
    return frames.toByteArray();
  }

  private static byte[] encode(String user, UserEvent event) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (DataOutputStream out = new DataOutputStream(bytes)) {
      out.writeUTF(user);
      out.writeUTF(event.eventId());
      out.writeUTF(event.itemId());
      out.writeUTF(event.kind().label());
      Instant time = event.time();
      out.writeLong(time.getEpochSecond());
      out.writeInt(time.getNano());
      out.writeUTF(event.requestId());
      out.writeInt(event.position().orElse(-1));
    }
    return bytes.toByteArray();
  }

  private static void decode(byte[] payload, BiConsumer<String, UserEvent> replay)
      throws IOException {
    try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(payload))) {
      String user = in.readUTF();
      String eventId = in.readUTF();
      String itemId = in.readUTF();
      String kind = in.readUTF();
      Instant time = Instant.ofEpochSecond(in.readLong(), in.readInt());
      String requestId = in.readUTF();
      int position = in.readInt();
      replay.accept(
          user,
          new UserEvent(
              eventId,
              itemId,
              EventKind.parse(kind)
                  .orElseThrow(() -> new IOException("kind: " + kind + " (expected: a known one)")),
              time,
              requestId,
              position < 0 ? OptionalInt.empty() : OptionalInt.of(position)));
    }
  }

  private static int checksum(byte[] payload) {
    CRC32C crc = new CRC32C();
    crc.update(payload);
    return (int) crc.getValue();
  }
}
