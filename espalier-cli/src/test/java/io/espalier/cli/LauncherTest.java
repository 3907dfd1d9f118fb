package io.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** The launcher in a folder of its own, whose build builds nothing. */
@DisabledOnOs(OS.WINDOWS)
class LauncherTest {
  @TempDir private Path root = Path.of("");
  private Path lock = Path.of("");
  private @Nullable Process process;

  @BeforeEach
  void copy() throws IOException {
    Path launcher = Path.of(System.getProperty("espalier.root"), "espalier");
    Files.copy(launcher, root.resolve("espalier"));
    Path build =
        Files.writeString(root.resolve("mvnw"), "#!/bin/sh\nmkdir -p espalier-cli/target\n");
    assertThat(build.toFile().setExecutable(true)).isTrue();
    lock = Files.createDirectories(root.resolve(".espalier/build.lock"));
  }

  @AfterEach
  void end() {
    if (process != null) {
      process.destroyForcibly();
    }
  }

  private BufferedReader start() throws IOException {
    ProcessBuilder builder =
        new ProcessBuilder("sh", root.resolve("espalier").toString(), "--version")
            .redirectErrorStream(true);
    builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
    process = builder.start();
    return process.inputReader(StandardCharsets.UTF_8);
  }

  private void age(Duration age) throws IOException {
    Files.setLastModifiedTime(lock, FileTime.from(Instant.now().minus(age)));
  }

  private void startTakesOver() throws IOException {
    assertThat(start().lines().collect(Collectors.joining("\n")))
        .contains("was nobody's for more than a minute: taken over")
        .contains("espalier: built in ");
    assertThat(lock).doesNotExist();
  }

  @Test
  void build_lockWithoutAnOwnerForMinutes_isTakenOver() throws IOException {
    age(Duration.ofMinutes(3));
    startTakesOver();
  }

  @Test
  void build_ownerKilledWhileItWroteWhoItIs_isTakenOver() throws IOException {
    Files.createFile(lock.resolve("pid"));
    age(Duration.ofMinutes(3));
    startTakesOver();
  }

  @Test
  void build_lockOfARunningProcess_saysThatItWaitsAndThenBuilds() throws IOException {
    long owner = ProcessHandle.current().pid();
    Files.writeString(lock.resolve("pid"), owner + "\n");
    age(Duration.ofMinutes(3));
    try (BufferedReader output = start()) {
      assertThat(output.readLine())
          .contains("waiting for another start that builds (process " + owner + ")")
          .contains(lock.toRealPath().toString());
      assertThat(lock.resolve("pid")).hasContent(Long.toString(owner));
      Files.delete(lock.resolve("pid"));
      Files.delete(lock);
      assertThat(output.lines().collect(Collectors.joining("\n"))).contains("espalier: built in ");
    }
  }

  @Test
  void build_freshLockWithoutAnOwner_isWaitedFor() throws IOException {
    // However slow this machine is.
    age(Duration.ofHours(-1));
    try (BufferedReader output = start()) {
      assertThat(output.readLine()).contains("waiting for another start that builds; its lock is");
      Files.delete(lock);
      assertThat(output.lines().collect(Collectors.joining("\n"))).contains("espalier: built in ");
    }
  }
}
