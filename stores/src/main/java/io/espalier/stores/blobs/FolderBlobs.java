package io.espalier.stores.blobs;

import io.espalier.stores.Folders;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Blobs as files of a folder, which many processes may share.
 *
 * <p>A blob is written beside the others under a name that is no key, forced, and renamed. What a
 * crash leaves of that is never listed, and is deleted by whoever opens the store a day later.
 */
public final class FolderBlobs implements BlobStore {
  private static final Logger log = LoggerFactory.getLogger(FolderBlobs.class);
  // No key has this character.
  private static final String UNFINISHED = "~";
  private static final String UNFINISHED_FILES =
      UNFINISHED + "????????-????-????-????-????????????";
  private static final Duration ABANDONED = Duration.ofDays(1);

  private final Path folder;

  private FolderBlobs(Path folder) {
    this.folder = folder;
  }

  /** The blobs of a folder, which is made when it is not there. */
  public static FolderBlobs open(Path folder) throws IOException {
    Folders.make(folder);
    clear(folder, Instant.now().minus(ABANDONED));
    return new FolderBlobs(folder);
  }

  /** Deletes what nobody has written to since then; others may do so too, or may still write. */
  private static void clear(Path folder, Instant since) {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, UNFINISHED_FILES)) {
      for (Path file : files) {
        if (Files.getLastModifiedTime(file).toInstant().isBefore(since)) {
          Files.deleteIfExists(file);
          log.info("{}: abandoned by an earlier process, and deleted", file);
        }
      }
    } catch (NoSuchFileException e) {
      // Another has finished or deleted it meanwhile; the next to open goes on.
      log.debug("{} is gone", e.getFile());
    } catch (IOException | DirectoryIteratorException e) {
      log.warn("{}: what was abandoned there could not be deleted", folder, e);
    }
  }

  private Path path(String key) {
    return folder.resolve(BlobStore.checked(key));
  }

  @Override
  public void put(String key, Path file) throws IOException {
    Path target = path(key);
    Files.createDirectories(target.getParent());
    replace(file, folder.resolve(unfinished()), target, true);
    forceTo(target);
  }

  @Override
  public void get(String key, Path file) throws IOException {
    Path source = path(key);
    if (!Files.isRegularFile(source)) {
      throw new NoSuchFileException(key, null, "not among the blobs of " + folder);
    }
    replace(source, file.resolveSibling(unfinished()), file, false);
  }

  private static String unfinished() {
    return UNFINISHED + UUID.randomUUID();
  }

  private static void replace(Path source, Path beside, Path target, boolean force)
      throws IOException {
    try {
      Files.copy(source, beside);
      if (force) {
        try (FileChannel channel = FileChannel.open(beside, StandardOpenOption.WRITE)) {
          channel.force(true);
        }
      }
      Files.move(beside, target, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      Files.deleteIfExists(beside);
    }
  }

  /** Forces a name, and those of the folders that may be new on the way to it. */
  private void forceTo(Path target) throws IOException {
    for (Path at = target.getParent(); at != null && at.startsWith(folder); at = at.getParent()) {
      Folders.force(at);
    }
  }

  @Override
  public List<String> list(String prefix) throws IOException {
    List<String> keys = new ArrayList<>();
    Files.walkFileTree(
        folder,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
            String key = folder.relativize(file).toString().replace('\\', '/');
            if (key.startsWith(prefix) && KEY.matcher(key).matches()) {
              keys.add(key);
            }
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFileFailed(Path file, IOException failure)
              throws IOException {
            // Others put and delete meanwhile.
            if (failure instanceof NoSuchFileException && !file.equals(folder)) {
              return FileVisitResult.CONTINUE;
            }
            throw failure;
          }
        });
    Collections.sort(keys);
    return keys;
  }

  @Override
  public void delete(String key) throws IOException {
    Path target = path(key);
    if (Files.deleteIfExists(target)) {
      forceTo(target);
    }
  }

  @Override
  public void close() {}

  @Override
  public String toString() {
    return folder.toString();
  }
}
