package io.espalier.loadtest.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class ProcessorTimeTest {
  @Test
  void of_processWhoseChildWorks_countsTheChild() throws Exception {
    String counts = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo; sleep 60";
    Process shell = new ProcessBuilder("sh", "-c", "sh -c '" + counts + "'; :").start();
    try {
      assertThat(shell.getInputStream().read()).isEqualTo('\n');

      Duration own = shell.info().totalCpuDuration().orElseThrow();
      assertThat(ProcessorTime.of(shell.pid())).isGreaterThan(own);
    } finally {
      shell.descendants().forEach(ProcessHandle::destroyForcibly);
      shell.destroyForcibly().waitFor();
    }
  }

  @Test
  void of_noSuchProcess_saysSo() {
    assertThatThrownBy(() -> ProcessorTime.of(Long.MAX_VALUE))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("process: " + Long.MAX_VALUE + " (expected: one there is)");
  }
}
