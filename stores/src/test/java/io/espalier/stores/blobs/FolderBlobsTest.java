package io.espalier.stores.blobs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FolderBlobsTest extends BlobStoreContract {
  @Override
  protected BlobStore open() throws IOException {
    return FolderBlobs.open(directory.resolve("blobs"));
  }

  @Test
  void list_unfinishedAndForeignFiles_areNotKeys(@TempDir Path folder) throws IOException {
    BlobStore blobs = FolderBlobs.open(folder);
    Files.write(folder.resolve("~left-by-a-crash"), new byte[1]);
    Files.write(folder.resolve("not a key"), new byte[1]);
    Files.write(folder.resolve("key"), new byte[1]);

    assertThat(blobs.list("")).containsExactly("key");
  }

  @Test
  void open_unfinishedOfDaysAgo_areDeletedAndNothingElse(@TempDir Path folder) throws IOException {
    FileTime old = FileTime.from(Instant.now().minus(Duration.ofHours(25)));
    Path abandoned = unfinished(folder, old);
    Path inProgress = unfinished(folder, FileTime.from(Instant.now()));
    Path foreign = Files.write(folder.resolve("~of-somebody-else"), new byte[1]);
    Path key = Files.write(folder.resolve("key"), new byte[1]);
    Files.setLastModifiedTime(foreign, old);
    Files.setLastModifiedTime(key, old);

    FolderBlobs.open(folder).close();

    assertThat(abandoned).doesNotExist();
    assertThat(List.of(inProgress, foreign, key)).allMatch(Files::exists);
  }

  private static Path unfinished(Path folder, FileTime since) throws IOException {
    Path file = Files.write(folder.resolve("~" + UUID.randomUUID()), new byte[1]);
    return Files.setLastModifiedTime(file, since);
  }

  @Test
  void put_keyIsTheFolderOfAnother_failsAndLeavesNothing(@TempDir Path folder) throws IOException {
    BlobStore blobs = FolderBlobs.open(folder.resolve("blobs"));
    Path file = Files.write(folder.resolve("file"), new byte[1]);
    blobs.put("a/b", file);

    assertThatThrownBy(() -> blobs.put("a", file)).isInstanceOf(IOException.class);
    assertThatThrownBy(() -> blobs.put("a/b/c", file)).isInstanceOf(IOException.class);
    assertThat(blobs.list("")).containsExactly("a/b");
    try (Stream<Path> files = Files.list(folder.resolve("blobs"))) {
      assertThat(files).hasSize(1);
    }
  }
}
