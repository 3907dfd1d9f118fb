package io.espalier.catalog;

import com.google.protobuf.InvalidProtocolBufferException;
import io.espalier.catalog.v1.Item;
import io.espalier.index.ItemIds;
import io.espalier.index.file.Numbers;
import io.espalier.index.file.SectionFile;
import io.espalier.index.file.SectionFileWriter;
import io.espalier.index.file.SegmentBuilder;
import io.espalier.stores.catalog.CatalogItem;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Optional;

/**
 * Whole items as their owners described them, in mapped files. A later file holds what changed
 * since the one before, so that a snapshot writes little of what it shares with the last one; an
 * item that was removed stays until the files are made one again.
 */
final class Documents {
  private static final String KIND = "catalogue-documents";
  private static final int VERSION = 1;

  // The newest first.
  private final List<Chunk> chunks;

  private record Chunk(ItemIds ids, MemorySegment starts, MemorySegment messages) {
    MemorySegment message(int index) {
      long from = starts.getAtIndex(Numbers.LONG, index);
      return messages.asSlice(from, starts.getAtIndex(Numbers.LONG, index + 1) - from);
    }
  }

  private Documents(List<Chunk> chunks) {
    this.chunks = chunks;
  }

  /**
   * Maps files.
   *
   * @param files the oldest first
   * @throws IOException when one cannot be read or does not verify
   */
  static Documents open(List<Path> files) throws IOException {
    Chunk[] chunks = new Chunk[files.size()];
    for (int n = 0; n < chunks.length; n++) {
      SectionFile file = SectionFile.open(files.get(n), KIND, VERSION);
      chunks[chunks.length - 1 - n] =
          new Chunk(ItemIds.of(file), file.section("message-starts"), file.section("messages"));
    }
    return new Documents(List.of(chunks));
  }

  /** Items in all files together, those that a later one has again counted again. */
  long size() {
    return chunks.stream().mapToLong(chunk -> chunk.ids().size()).sum();
  }

  /** An item that some file has, as the newest of them has it. */
  Optional<MemorySegment> message(String id) {
    for (Chunk chunk : chunks) {
      int index = chunk.ids().indexOf(id);
      if (index >= 0) {
        return Optional.of(chunk.message(index));
      }
    }
    return Optional.empty();
  }

  /** An item that some file has, as the newest of them has it. */
  Optional<CatalogItem> item(String id) {
    return message(id).map(Documents::parse);
  }

  private static CatalogItem parse(MemorySegment message) {
    try {
      return ChangeMessages.read(Item.parseFrom(message.asByteBuffer()));
    } catch (InvalidProtocolBufferException e) {
      throw new IllegalStateException("a document whose checksum is right is no item", e);
    }
  }

  /** Writes a file, by way of one beside it: items together may be larger than memory. */
  static final class Writer implements AutoCloseable {
    private static final int BUFFER = 1 << 20;

    private final Path file;
    private final FileChannel spool;
    private final OutputStream messages;
    private final ItemIds.Builder ids = new ItemIds.Builder();
    private final SegmentBuilder starts = new SegmentBuilder();
    private long size;

    /** Starts. */
    Writer(Path file) throws IOException {
      this.file = file;
      this.spool =
          FileChannel.open(
              file.resolveSibling(file.getFileName() + ".messages"),
              StandardOpenOption.CREATE,
              StandardOpenOption.TRUNCATE_EXISTING,
              StandardOpenOption.READ,
              StandardOpenOption.WRITE,
              StandardOpenOption.DELETE_ON_CLOSE);
      this.messages = new BufferedOutputStream(Channels.newOutputStream(spool), BUFFER);
    }

    void add(CatalogItem item) throws IOException {
      add(item.id(), MemorySegment.ofArray(ChangeMessages.write(item).toByteArray()));
    }

    void add(String id, MemorySegment message) throws IOException {
      ids.add(id);
      starts.addLong(size);
      messages.write(message.toArray(ValueLayout.JAVA_BYTE));
      size += message.byteSize();
    }

    /** Bytes of the items that were added. */
    long bytes() {
      return size;
    }

    /** Writes what was added. */
    void write(Runnable pace) throws IOException {
      starts.addLong(size);
      messages.flush();
      try (Arena arena = Arena.ofShared()) {
        SectionFileWriter sections = new SectionFileWriter(KIND, VERSION);
        ids.build(arena).addTo(sections);
        sections
            .add("message-starts", starts.build(arena))
            .add("messages", spool.map(FileChannel.MapMode.READ_ONLY, 0, size, arena))
            .write(file, pace);
      }
    }

    @Override
    public void close() throws IOException {
      spool.close();
    }
  }
}
