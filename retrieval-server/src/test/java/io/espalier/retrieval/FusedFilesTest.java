package io.espalier.retrieval;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FusedFilesTest {
  @Test
  void clearAbandoned_foldersOfDaysAgo_areDeletedAndNothingElse(@TempDir Path temporary)
      throws IOException {
    FileTime old = FileTime.from(Instant.now().minus(Duration.ofHours(25)));
    FileTime fresh = FileTime.from(Instant.now());
    Path abandoned = folder(temporary.resolve("espalier-fused123"), old);
    Path inUse = folder(temporary.resolve("espalier-fused456"), fresh);
    Path foreign = folder(temporary.resolve("another-program"), old);

    FusedFiles.clearAbandoned(temporary);

    assertThat(abandoned).doesNotExist();
    assertThat(List.of(inUse, foreign))
        .allMatch(folder -> Files.exists(folder.resolve("model/1/model.onnx")));
  }

  private static Path folder(Path folder, FileTime since) throws IOException {
    Path model = Files.createDirectories(folder.resolve("model/1"));
    Files.write(model.resolve("model.onnx"), new byte[1]);
    return Files.setLastModifiedTime(folder, since);
  }
}
