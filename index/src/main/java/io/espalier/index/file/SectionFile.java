package io.espalier.index.file;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.Map;
import java.util.zip.CRC32C;

/**
 * An immutable file of named sections, mapped into memory.
 *
 * <p>A header names the kind of file, its version and, for each section, offset, length and
 * CRC-32C; it carries a checksum of itself. Sections start at multiples of 64 bytes and hold
 * little-endian numbers. Every checksum is compared when the file is opened, which also brings its
 * pages in. The mapping lives until the garbage collector finds nobody reading it.
 */
public final class SectionFile {
  static final int MAGIC = 0x45535046; // ESPF
  static final int HEADER = 4096;
  static final int NAME = 32;
  static final int ENTRY = NAME + 3 * Long.BYTES;
  static final int FIXED = 16 + NAME;
  static final int MAX_SECTIONS = (HEADER - FIXED) / ENTRY;
  static final ValueLayout.OfInt INT = Numbers.INT;
  static final ValueLayout.OfLong LONG = Numbers.LONG;

  private final Path path;
  private final Map<String, MemorySegment> sections;

  private SectionFile(Path path, Map<String, MemorySegment> sections) {
    this.path = path;
    this.sections = sections;
  }

  /**
   * Maps and verifies a file.
   *
   * @param kind what the file must say that it is
   * @param version the version of that kind which is understood
   * @throws IOException when it cannot be read, is of another kind or version, or a checksum does
   *     not match; the message names the file, and the section
   */
  public static SectionFile open(Path path, String kind, int version) throws IOException {
    MemorySegment all;
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      all = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), Arena.ofAuto());
    }
    if (all.byteSize() < HEADER || all.get(INT, 0) != MAGIC) {
      throw new IOException(path + ": " + all.byteSize() + " bytes (expected: an index file)");
    }
    MemorySegment header = all.asSlice(0, HEADER);
    if (checksum(header.asSlice(Long.BYTES)) != header.get(INT, Integer.BYTES)) {
      throw new IOException(path + ": header: wrong checksum");
    }
    String found = header.getString(16);
    int foundVersion = header.get(INT, 8);
    if (!found.equals(kind) || foundVersion != version) {
      throw new IOException(
          path + ": " + found + " " + foundVersion + " (expected: " + kind + " " + version + ")");
    }
    Map<String, MemorySegment> sections = new HashMap<>();
    for (int i = 0; i < header.get(INT, 12); i++) {
      int at = FIXED + i * ENTRY;
      String name = header.getString(at);
      long offset = header.get(LONG, at + NAME);
      long length = header.get(LONG, at + NAME + Long.BYTES);
      if (offset < 0 || length < 0 || offset > all.byteSize() - length) {
        throw new IOException(path + ": " + name + ": cut off at " + all.byteSize() + " bytes");
      }
      MemorySegment section = all.asSlice(offset, length);
      if (checksum(section) != (int) header.get(LONG, at + NAME + 2 * Long.BYTES)) {
        throw new IOException(path + ": " + name + ": wrong checksum");
      }
      sections.put(name, section);
    }
    return new SectionFile(path, sections);
  }

  /**
   * A section's bytes, not to be written.
   *
   * @throws IOException when the file has no such section
   */
  public MemorySegment section(String name) throws IOException {
    MemorySegment section = sections.get(name);
    if (section == null) {
      throw new IOException(path + ": no section " + name + " (found: " + sections.keySet() + ")");
    }
    return section;
  }

  static int checksum(MemorySegment bytes) {
    CRC32C crc = new CRC32C();
    // A collection waits for a thread that is within a step.
    long step = 1 << 20;
    for (long at = 0; at < bytes.byteSize(); at += step) {
      crc.update(bytes.asSlice(at, Math.min(step, bytes.byteSize() - at)).asByteBuffer());
    }
    return (int) crc.getValue();
  }
}
