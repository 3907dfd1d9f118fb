package io.espalier.loadtest.process;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class ServerProcessTest {

  /** The driver's end by a signal, as from a terminal, is the end of its server. */
  @Test
  void start_driverEndedByASignal_endsTheServerToo() throws Exception {
    Process driver =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Driver.class.getName())
            .redirectErrorStream(true)
            .start();
    try (BufferedReader output = driver.inputReader(StandardCharsets.UTF_8)) {
      String pid = Objects.requireNonNull(output.readLine(), "a line of the driver's");
      ProcessHandle server = ProcessHandle.of(Long.parseLong(pid)).orElseThrow();
      try {
        driver.destroy();

        server.onExit().get(60, TimeUnit.SECONDS);
        assertThat(server.isAlive()).isFalse();
      } finally {
        server.destroyForcibly();
      }
    } finally {
      driver.destroyForcibly();
    }
  }

  /** Starts a server and prints what it prints. */
  static final class Driver {
    private Driver() {}

    public static void main(String[] args) throws IOException, InterruptedException {
      ServerProcess.start(
          List.of(), List.of(), Sleeper.class.getName(), List.of(), System.out::println);
      Thread.sleep(Long.MAX_VALUE);
    }
  }

  /** Prints its process id and stays. */
  static final class Sleeper {
    private Sleeper() {}

    public static void main(String[] args) throws InterruptedException {
      System.out.println(ProcessHandle.current().pid());
      Thread.sleep(Long.MAX_VALUE);
    }
  }
}
