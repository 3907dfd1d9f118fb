package io.espalier.loadtest.process;

import java.time.Duration;
import java.util.stream.Stream;

/** What a server takes of the processor: its process and all that it started. */
public final class ProcessorTime {
  private ProcessorTime() {}

  /**
   * Of a process and its descendants so far; those that have ended are not counted.
   *
   * @throws IllegalArgumentException when there is no such process
   */
  public static Duration of(long pid) {
    ProcessHandle process =
        ProcessHandle.of(pid)
            .orElseThrow(
                () ->
                    new IllegalArgumentException("process: " + pid + " (expected: one there is)"));
    return Stream.concat(Stream.of(process), process.descendants())
        .flatMap(each -> each.info().totalCpuDuration().stream())
        .reduce(Duration.ZERO, Duration::plus);
  }
}
