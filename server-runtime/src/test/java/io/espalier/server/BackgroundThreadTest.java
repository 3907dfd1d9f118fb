package io.espalier.server;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

class BackgroundThreadTest {
  private static final int NICEST = 19;

  @Test
  @EnabledOnOs(OS.LINUX)
  void start_onLinux_isNicerThanItsStarterWhoStaysAsItIs() {
    int before = nice();
    CompletableFuture<Integer> found = new CompletableFuture<>();

    BackgroundThread.start("background", () -> found.complete(nice()));

    assertThat(found.join()).isEqualTo(Math.min(NICEST, before + 10));
    assertThat(nice()).isEqualTo(before);
  }

  /** The nice value of the calling thread. */
  private static int nice() {
    try {
      String stat = Files.readString(Path.of("/proc/thread-self/stat"));
      // The name of the thread, in parentheses, is the second of the fields.
      return Integer.parseInt(stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1)[16]);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
