package io.espalier.stores.blobs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
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
