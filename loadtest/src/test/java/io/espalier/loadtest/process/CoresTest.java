package io.espalier.loadtest.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

class CoresTest {
  @Test
  void others_driverThatKeepsToSome_areTheRest() {
    assertThat(Cores.of("0-3,6", "1").others()).containsExactly("taskset", "-c", "0,2,3,6");
    assertThat(Cores.of("0-1", "0").others()).containsExactly("taskset", "-c", "1");
  }

  @Test
  void others_driverThatKeepsToNone_areNotSaid() {
    assertThat(Cores.of("", "").others()).isEmpty();
    assertThat(Cores.of("", "").spare("0")).isEmpty();
  }

  @Test
  void others_driverThatHasThemAll_isRefused() {
    assertThatThrownBy(() -> Cores.of("0-1", "0-1").others())
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("DRIVER_CPU: 0,1 (expected: some processors of 0,1 are left for the servers)");
  }

  @Test
  void spare_thirdProcessor_isThatAndElseTheDrivers() {
    assertThat(Cores.of("0-2", "1").spare("0")).containsExactly("taskset", "-c", "2");
    assertThat(Cores.of("0-1", "1").spare("0")).containsExactly("taskset", "-c", "1");
    assertThat(Cores.of("0-1", "1").spare("")).containsExactly("taskset", "-c", "0");
  }

  @Test
  void of_notAList_namesIt() {
    assertThatThrownBy(() -> Cores.of("0-1,x", "0"))
        .hasMessage("processors: 0-1,x (expected: such as 0-3,5)");
  }

  /** A driver on one processor: its child is on the others. */
  @Test
  @EnabledOnOs(OS.LINUX)
  void start_driverOnOneProcessor_itsChildIsNotOnIt() throws Exception {
    assumeThat(allowed()).as("two processors or more").matches("0[-,].*");
    assumeThat(Path.of("/usr/bin/taskset")).exists();
    Process driver =
        new ProcessBuilder(
                "taskset",
                "-c",
                "0",
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Despalier.cpus=" + allowed(),
                "-cp",
                System.getProperty("java.class.path"),
                Driver.class.getName())
            .redirectErrorStream(true)
            .start();

    String output =
        new String(driver.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();

    BitSet others = Cores.of(allowed(), "").all();
    others.clear(0);
    assertThat(Cores.of(output, "").all()).as(output).isEqualTo(others);
  }

  private static String allowed() throws IOException {
    return Files.readAllLines(Path.of("/proc/self/status")).stream()
        .filter(line -> line.startsWith("Cpus_allowed_list:"))
        .map(line -> line.replaceFirst(".*:\\s*", ""))
        .findFirst()
        .orElseThrow();
  }

  /** Prints the processors of a child. */
  static final class Driver {
    private Driver() {}

    public static void main(String[] args) throws IOException, InterruptedException {
      ServerProcess child =
          ServerProcess.start(
              List.of("sed", "-n", "s/^Cpus_allowed_list:[[:space:]]*//p", "/proc/self/status"),
              line -> {});
      while (child.output().isEmpty()) {
        Thread.sleep(10);
      }
      System.out.println(child.output());
    }
  }
}
