package io.espalier.stores;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.stores.blobs.FolderBlobs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

class FoldersTest {

  @Test
  void make_severalNew_forcesEachFolderThatHasANewEntry(@TempDir Path dir) throws IOException {
    List<Path> forced = new ArrayList<>();

    Folders.make(dir.resolve("a/b/c"), forced::add);

    assertThat(dir.resolve("a/b/c")).isDirectory();
    assertThat(forced).containsExactly(dir.resolve("a/b"), dir.resolve("a"), dir);
  }

  @Test
  void make_thereAlready_forcesItsNameAllTheSame(@TempDir Path dir) throws IOException {
    List<Path> forced = new ArrayList<>();

    Folders.make(Files.createDirectory(dir.resolve("a")), forced::add);

    assertThat(forced).containsExactly(dir);
  }

  @Test
  void make_nameOfAFile_isRefused(@TempDir Path dir) throws IOException {
    Path file = Files.createFile(dir.resolve("a"));

    assertThatThrownBy(() -> Folders.make(file)).isInstanceOf(IOException.class);
  }

  /** Linux opens this folder and refuses to force it. */
  @Test
  @EnabledOnOs(OS.LINUX)
  void force_fails_isAnError() {
    assertThatThrownBy(() -> Folders.force(Path.of("/proc")))
        .isInstanceOf(IOException.class)
        .hasMessageStartingWith("/proc: cannot be forced: ");
  }

  @Test
  void force_cannotBeOpened_isPassedOver(@TempDir Path dir) throws IOException {
    Folders.force(dir.resolve("none"));

    assertThat(dir).isEmptyDirectory();
  }

  /** A store that could lose its own folder does not open. */
  @Test
  @EnabledOnOs(OS.LINUX)
  void openBlobs_nameCannotBeForced_fails() {
    assertThatThrownBy(() -> FolderBlobs.open(Path.of("/proc/self")))
        .isInstanceOf(IOException.class)
        .hasMessageStartingWith("/proc: cannot be forced: ");
  }
}
