package io.espalier.stores.log;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;

/**
 * Files in memory whose power can be cut at any operation. What was not forced by then is there or
 * is not, sector by sector; so are creations and deletions.
 */
public final class PowerlessFiles implements LogFiles {
  private static final int SECTOR = 512;
  private static final int SEGMENT = 4096;

  private final Random random;
  // As programs see them, and as they would be found after a loss of power.
  private TreeMap<String, Content> seen = new TreeMap<>();
  private TreeMap<String, Content> safe = new TreeMap<>();
  private int operationsLeft = Integer.MAX_VALUE;
  private long bytesLeft = Long.MAX_VALUE;
  private int open;

  /** The power went. */
  public static final class PowerCut extends RuntimeException {
    private static final long serialVersionUID = 1;
  }

  private static final class Content {
    private byte[] bytes = new byte[0];
    private byte[] forced = new byte[0];
  }

  /** No files yet; what a loss of power leaves is drawn from {@code random}. */
  public PowerlessFiles(Random random) {
    this.random = random;
  }

  /** Opens a log of these files, or begins one, in segments of a few records. */
  public FileLog openLog(long first) {
    return FileLog.open(this, () -> {}, first, SEGMENT);
  }

  /** Cuts the power within so many operations. */
  public void cutAfter(int operations) {
    operationsLeft = operations;
  }

  /** Lets so many more bytes be written before the disk is full. */
  void room(long bytes) {
    bytesLeft = bytes;
  }

  /** What is found when the power is back. */
  public void restore() {
    operationsLeft = Integer.MAX_VALUE;
    TreeMap<String, Content> found = new TreeMap<>(safe);
    seen.forEach(
        (name, content) -> {
          if (!safe.containsKey(name) && random.nextBoolean()) {
            found.put(name, content);
          }
        });
    safe.keySet().stream()
        .filter(name -> !seen.containsKey(name) && random.nextBoolean())
        .forEach(found::remove);
    found.values().forEach(this::restore);
    seen = found;
    safe = new TreeMap<>(found);
  }

  private void restore(Content content) {
    int shortest = Math.min(content.forced.length, content.bytes.length);
    int longest = Math.max(content.forced.length, content.bytes.length);
    int length =
        switch (random.nextInt(3)) {
          case 0 -> content.bytes.length;
          case 1 -> content.forced.length;
          default -> shortest + random.nextInt(longest - shortest + 1);
        };
    byte[] found = new byte[length];
    for (int at = 0; at < length; at += SECTOR) {
      byte[] from = random.nextBoolean() ? content.bytes : content.forced;
      for (int i = at; i < Math.min(length, at + SECTOR); i++) {
        found[i] = i < from.length ? from[i] : 0;
      }
    }
    content.bytes = found;
    content.forced = found.clone();
  }

  private void operate() {
    if (operationsLeft-- <= 0) {
      throw new PowerCut();
    }
  }

  /** Turns one bit of a file over, wherever it lies. */
  void flip(String name, int bit) {
    Content content = content(name);
    content.bytes[bit / 8] ^= (byte) (1 << bit % 8);
    content.forced = content.bytes.clone();
  }

  /** Files that were opened and not closed. */
  int open() {
    return open;
  }

  int size(String name) {
    return content(name).bytes.length;
  }

  byte[] bytes(String name) {
    return content(name).bytes.clone();
  }

  private Content content(String name) {
    Content content = seen.get(name);
    if (content == null) {
      throw new IllegalArgumentException(name);
    }
    return content;
  }

  @Override
  public List<String> list() {
    operate();
    return new ArrayList<>(seen.keySet());
  }

  @Override
  public LogFile open(String name) {
    operate();
    open++;
    return new MemoryFile(seen.computeIfAbsent(name, n -> new Content()));
  }

  @Override
  public void delete(String name) {
    operate();
    seen.remove(name);
  }

  @Override
  public void force() {
    operate();
    safe = new TreeMap<>(seen);
  }

  private final class MemoryFile implements LogFile {
    private final Content content;

    MemoryFile(Content content) {
      this.content = content;
    }

    @Override
    public long size() {
      return content.bytes.length;
    }

    @Override
    public void read(ByteBuffer into, long position) {
      operate();
      int from = Math.toIntExact(Math.min(position, content.bytes.length));
      into.put(content.bytes, from, Math.min(into.remaining(), content.bytes.length - from));
    }

    @Override
    public void write(byte[] bytes, long position) throws IOException {
      boolean cut = operationsLeft <= 0;
      // The power may go in the middle of it, and so may the room.
      int written = cut ? random.nextInt(bytes.length + 1) : bytes.length;
      written = Math.toIntExact(Math.min(written, bytesLeft));
      int at = Math.toIntExact(position);
      byte[] grown = Arrays.copyOf(content.bytes, Math.max(content.bytes.length, at + written));
      System.arraycopy(bytes, 0, grown, at, written);
      content.bytes = grown;
      operate();
      bytesLeft -= written;
      if (written < bytes.length) {
        throw new IOException("No space left on device");
      }
    }

    @Override
    public void truncate(long size) {
      operate();
      content.bytes = Arrays.copyOf(content.bytes, Math.toIntExact(size));
    }

    @Override
    public void force() {
      operate();
      content.forced = content.bytes.clone();
    }

    @Override
    public void close() {
      open--;
    }
  }
}
