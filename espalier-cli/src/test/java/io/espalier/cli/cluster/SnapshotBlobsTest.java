package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.server.ConfigException;
import io.espalier.stores.blobs.BlobStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SnapshotBlobsTest {
  @Test
  void open_folder_holdsBlobs(@TempDir Path folder) throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "some");
    try (BlobStore store = SnapshotBlobs.open(folder.resolve("store").toString())) {
      store.put("key", file);
      assertThat(store.list("")).containsExactly("key");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"s3://", "s3://UPPER", "s3://bucket?endpoint=nowhere", "s3://b/c?x=y"})
  void open_badAddressOfABucket_namesTheForm(String where) {
    assertThatThrownBy(() -> SnapshotBlobs.open(where))
        .isInstanceOf(ConfigException.class)
        .hasMessageStartingWith("snapshots.store: \"" + where + "\" (expected: s3://bucket");
  }

  @ParameterizedTest
  @ValueSource(strings = {" ", "gs://bucket"})
  void open_unknown_namesWhatIsExpected(String where) {
    assertThatThrownBy(() -> SnapshotBlobs.open(where))
        .isInstanceOf(ConfigException.class)
        .hasMessage(
            "snapshots.store: \"" + where + "\" (expected: a folder, or s3://bucket[/prefix])");
  }
}
