package io.espalier.index.file;

import static java.nio.file.StandardCopyOption.ATOMIC_MOVE;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Writes a {@link SectionFile}: whole under its name, or not at all. It is not forced; a loss of
 * power may leave a file that does not verify.
 */
public final class SectionFileWriter {
  private static final long ALIGNMENT = 64;
  private static final long STEP = 1 << 22;

  private final String kind;
  private final int version;
  private final Map<String, MemorySegment> sections = new LinkedHashMap<>();

  /**
   * Starts a file.
   *
   * @param kind what the file is, up to 31 bytes
   */
  public SectionFileWriter(String kind, int version) {
    this.kind = kind;
    this.version = version;
  }

  /** Adds a section; the bytes are read when the file is written. */
  public SectionFileWriter add(String name, MemorySegment bytes) {
    if (sections.size() == SectionFile.MAX_SECTIONS
        || name.getBytes(StandardCharsets.UTF_8).length >= SectionFile.NAME
        || sections.putIfAbsent(name, bytes) != null) {
      throw new IllegalArgumentException(
          "section: "
              + name
              + " (expected: a new name of less than "
              + SectionFile.NAME
              + " bytes, among at most "
              + SectionFile.MAX_SECTIONS
              + ")");
    }
    return this;
  }

  /** Writes the file beside its name and moves it there. */
  public void write(Path path) throws IOException {
    write(path, () -> {});
  }

  /**
   * Writes the file beside its name and moves it there.
   *
   * @param pace called again and again, for a caller who wants the work slowed
   */
  public void write(Path path, Runnable pace) throws IOException {
    Path unfinished = path.resolveSibling(path.getFileName() + ".unfinished");
    try (Arena arena = Arena.ofConfined();
        FileChannel channel =
            FileChannel.open(
                unfinished,
                StandardOpenOption.CREATE,
                StandardOpenOption.TRUNCATE_EXISTING,
                StandardOpenOption.WRITE)) {
      MemorySegment header = arena.allocate(SectionFile.HEADER);
      header.set(SectionFile.INT, 0, SectionFile.MAGIC);
      header.set(SectionFile.INT, 8, version);
      header.set(SectionFile.INT, 12, sections.size());
      header.setString(16, kind);
      long offset = SectionFile.HEADER;
      int at = SectionFile.FIXED;
      for (Map.Entry<String, MemorySegment> section : sections.entrySet()) {
        MemorySegment bytes = section.getValue();
        header.setString(at, section.getKey());
        header.set(SectionFile.LONG, at + SectionFile.NAME, offset);
        header.set(SectionFile.LONG, at + SectionFile.NAME + Long.BYTES, bytes.byteSize());
        header.set(
            SectionFile.LONG,
            at + SectionFile.NAME + 2 * Long.BYTES,
            SectionFile.checksum(bytes) & 0xffffffffL);
        write(channel, bytes, offset, pace);
        offset = (offset + bytes.byteSize() + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        at += SectionFile.ENTRY;
      }
      header.set(SectionFile.INT, Integer.BYTES, SectionFile.checksum(header.asSlice(Long.BYTES)));
      write(channel, header, 0, pace);
      if (channel.size() < offset) {
        // An empty section may stand at the end.
        channel.write(ByteBuffer.allocate(1), offset - 1);
      }
    } catch (IOException | RuntimeException e) {
      Files.deleteIfExists(unfinished);
      throw e;
    }
    Files.move(unfinished, path, ATOMIC_MOVE);
  }

  private static void write(FileChannel channel, MemorySegment bytes, long offset, Runnable pace)
      throws IOException {
    for (long from = 0; from < bytes.byteSize(); from += STEP) {
      ByteBuffer part = bytes.asSlice(from, Math.min(STEP, bytes.byteSize() - from)).asByteBuffer();
      long to = offset + from;
      while (part.hasRemaining()) {
        to += channel.write(part, to);
      }
      pace.run();
    }
  }
}
