package io.espalier.loadtest.driver;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.HdrHistogram.EncodableHistogram;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.HistogramLogReader;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HistogramFilesTest {
  @Test
  void log_readBack_isTheRun(@TempDir Path folder) throws Exception {
    Requests requests =
        new SimulatedServer(Duration.ofMillis(2), 1).at(100, Duration.ofSeconds(20));
    HistogramFiles files = new HistogramFiles(folder);
    files.log("run", requests);
    files.distribution("run", requests.latencies());

    Histogram sum = new Histogram(3);
    int seconds = 0;
    File log = folder.resolve("run.hlog").toFile();
    try (HistogramLogReader reader = new HistogramLogReader(log)) {
      for (EncodableHistogram next = reader.nextIntervalHistogram();
          next != null;
          next = reader.nextIntervalHistogram()) {
        sum.add((Histogram) next);
        seconds++;
      }
    }
    assertThat(seconds).isEqualTo(20);
    assertThat(sum.getTotalCount()).isEqualTo(requests.size());
    assertThat(sum.getValueAtPercentile(99)).isEqualTo(requests.latencies().quantile(.99));
    assertThat(Files.readString(folder.resolve("run.hgrm")))
        .contains("#[Max ", "Total count    = %12d]".formatted(requests.size()));
  }
}
