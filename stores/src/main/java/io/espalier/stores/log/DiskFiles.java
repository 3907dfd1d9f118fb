package io.espalier.stores.log;

import io.espalier.stores.Folders;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The files of a folder, which one process at a time holds. */
final class DiskFiles implements LogFiles, AutoCloseable {
  private static final String LOCK = "lock";

  // A process's lock on a file goes with the first of its channels to that file that is closed, so
  // there must never be a second.
  private static final Set<Path> HELD = ConcurrentHashMap.newKeySet();

  private final Path folder;
  // Null for who only reads.
  private final @Nullable Hold hold;

  private DiskFiles(Path folder, @Nullable Hold hold) {
    this.folder = folder;
    this.hold = hold;
  }

  /** A folder's lock, which goes with its channel. */
  private record Hold(Path folder, FileChannel channel) implements AutoCloseable {
    @Override
    public void close() throws IOException {
      if (!channel.isOpen()) {
        // Another may hold the folder by now.
        return;
      }
      try {
        channel.close();
      } finally {
        HELD.remove(folder);
      }
    }
  }

  /**
   * Takes hold of a folder, and makes it when it is not there.
   *
   * @throws LogException when another process or log has it
   */
  static DiskFiles open(Path folder) throws IOException {
    Folders.make(folder);
    Path real = folder.toRealPath();
    if (!HELD.add(real)) {
      throw held(folder);
    }
    FileChannel channel;
    try {
      channel =
          FileChannel.open(real.resolve(LOCK), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    } catch (IOException | RuntimeException e) {
      HELD.remove(real);
      throw e;
    }
    Hold hold = new Hold(real, channel);
    try {
      if (channel.tryLock() == null) {
        throw held(folder);
      }
      return new DiskFiles(folder, hold);
    } catch (IOException | RuntimeException e) {
      hold.close();
      throw e;
    }
  }

  private static LogException held(Path folder) {
    return new LogException(folder + ": held by another log (expected: one at a time)");
  }

  /** The files of a folder for who only reads, whoever has it. */
  static DiskFiles toRead(Path folder) {
    return new DiskFiles(folder, null);
  }

  @Override
  public List<String> list() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(name -> !name.equals(LOCK))
          .toList();
    }
  }

  @Override
  public LogFile open(String name) throws IOException {
    return new DiskFile(
        new RandomAccessFile(folder.resolve(name).toFile(), hold == null ? "r" : "rw"));
  }

  @Override
  public void delete(String name) throws IOException {
    Files.deleteIfExists(folder.resolve(name));
  }

  @Override
  public void force() throws IOException {
    Folders.force(folder);
  }

  @Override
  public void close() throws IOException {
    if (hold != null) {
      hold.close();
    }
  }

  @Override
  public String toString() {
    return folder.toString();
  }

  // Written through RandomAccessFile: a FileChannel closes itself when a thread is interrupted in
  // the middle of a write.
  private record DiskFile(RandomAccessFile file) implements LogFile {
    @Override
    public long size() throws IOException {
      return file.length();
    }

    @Override
    public synchronized void read(ByteBuffer into, long position) throws IOException {
      file.seek(position);
      int read = 0;
      while (into.hasRemaining() && read >= 0) {
        read = file.read(into.array(), into.arrayOffset() + into.position(), into.remaining());
        into.position(into.position() + Math.max(0, read));
      }
    }

    @Override
    public synchronized void write(byte[] bytes, long position) throws IOException {
      file.seek(position);
      file.write(bytes);
    }

    @Override
    public synchronized void truncate(long size) throws IOException {
      file.setLength(size);
    }

    @Override
    public void force() throws IOException {
      file.getFD().sync();
    }

    @Override
    public void close() throws IOException {
      file.close();
    }
  }
}
