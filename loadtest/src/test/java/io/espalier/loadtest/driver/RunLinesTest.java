package io.espalier.loadtest.driver;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunLinesTest {
  @Test
  void add_twoRuns_aLineEach(@TempDir Path folder) throws Exception {
    Path file = folder.resolve("runs.jsonl");
    Requests requests =
        new Requests(
            new long[] {0, 1_000_000},
            new long[] {0, 1_000_000},
            new long[] {2_000_000, 5_000_000},
            new Outcome[] {Outcome.OK, Outcome.FAILED},
            0);

    RunLines.add(file, "search", 12.5, requests, Duration.ofMillis(3));
    RunLines.add(file, "knee", 1, requests, Duration.ZERO);

    assertThat(Files.readAllLines(file))
        .hasSize(2)
        .first()
        .isEqualTo(
            "{\"run\": \"search\", \"rate\": 12.50, \"requests\": 2, \"degraded\": 0,"
                + " \"refused\": 0, \"failed\": 1,"
                + " \"p50_ms\": 2.001, \"p99_ms\": 4.002, \"p99_low_ms\": 2.001,"
                + " \"p99_high_ms\": null, \"max_ms\": 4.002, \"send_lag_p99_ms\": 0.000,"
                + " \"processor_ms\": 1.5000, \"void\": false}");
  }
}
