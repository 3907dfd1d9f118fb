package io.espalier.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.Runtime.Version;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

class ThreadSchedulingTest {
  private static final int NICEST = 19;
  private static final long SHORT = 100_000;

  @Test
  @EnabledOnOs(OS.LINUX)
  void backgroundThread_onLinux_isNicerThanItsStarterWhoStaysAsItIs() {
    int before = nice();
    CompletableFuture<Integer> found = new CompletableFuture<>();

    BackgroundThread.start("background", () -> found.complete(nice()));

    assertThat(found.join()).isEqualTo(Math.min(NICEST, before + 10));
    assertThat(nice()).isEqualTo(before);
  }

  @Test
  @EnabledOnOs(OS.LINUX)
  void backgroundThread_whereSlicesCanBeAskedFor_runsInShortOnes() {
    long before = sliceIfAskedFor();
    CompletableFuture<Long> found = new CompletableFuture<>();

    BackgroundThread.start("background", () -> found.complete(slice()));

    assertThat(found.join()).isLessThanOrEqualTo(before).isEqualTo(SHORT);
    assertThat(slice()).isEqualTo(before);
  }

  @Test
  @EnabledOnOs(OS.LINUX)
  void wakePromptly_whereSlicesCanBeAskedFor_asksForShortOnesAndIsNoNicer() throws Exception {
    sliceIfAskedFor();
    int before = nice();
    CompletableFuture<Long> found = new CompletableFuture<>();
    CompletableFuture<Integer> nice = new CompletableFuture<>();

    Thread.ofPlatform()
        .start(
            () -> {
              ThreadScheduling.wakePromptly();
              found.complete(slice());
              nice.complete(nice());
            })
        .join();

    assertThat(found.join()).isEqualTo(SHORT);
    assertThat(nice.join()).isEqualTo(before);
  }

  /** The slice of the calling thread; the test is skipped where it cannot be asked for. */
  private static long sliceIfAskedFor() {
    // Linux has them since 6.12, and need not show them.
    assumeThat(Version.parse(System.getProperty("os.version").replaceAll("[^0-9.].*", "")))
        .isGreaterThanOrEqualTo(Version.parse("6.12"));
    long slice = slice();
    assumeThat(slice).isPositive();
    return slice;
  }

  /** The slice of the calling thread in nanoseconds; 0 where it is not to be known. */
  private static long slice() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/thread-self/sched"))) {
      return lines
          .filter(line -> line.startsWith("se.slice"))
          .mapToLong(line -> Long.parseLong(line.substring(line.indexOf(':') + 1).strip()))
          .findFirst()
          .orElse(0);
    } catch (IOException e) {
      return 0;
    }
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
