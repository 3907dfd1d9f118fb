package io.espalier.stores.log;

import io.espalier.stores.Folders;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The files of a folder, which one process at a time holds. */
final class DiskFiles implements LogFiles, AutoCloseable {
  private static final String LOCK = "lock";

  private final Path folder;
  // Null for who only reads.
  private final @Nullable FileChannel lock;

  private DiskFiles(Path folder, @Nullable FileChannel lock) {
    this.folder = folder;
    this.lock = lock;
  }

  /**
   * Takes hold of a folder, and makes it when it is not there.
   *
   * @throws LogException when another process or log has it
   */
  static DiskFiles open(Path folder) throws IOException {
    Folders.make(folder);
    FileChannel channel =
        FileChannel.open(folder.resolve(LOCK), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    try {
      if (tryLock(channel) == null) {
        throw new LogException(folder + ": held by another log (expected: one at a time)");
      }
      return new DiskFiles(folder, channel);
    } catch (IOException | RuntimeException e) {
      channel.close();
      throw e;
    }
  }

  /** The files of a folder for who only reads, whoever has it. */
  static DiskFiles toRead(Path folder) {
    return new DiskFiles(folder, null);
  }

  // The lock belongs to the channel and goes with it.
  @SuppressWarnings("resource")
  private static @Nullable FileLock tryLock(FileChannel channel) throws IOException {
    try {
      return channel.tryLock();
    } catch (OverlappingFileLockException e) {
      return null;
    }
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
        new RandomAccessFile(folder.resolve(name).toFile(), lock == null ? "r" : "rw"));
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
    if (lock != null) {
      lock.close();
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
