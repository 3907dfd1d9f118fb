package io.espalier.loadtest.driver;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.HdrHistogram.HistogramLogWriter;

/** Keeps what was measured, in the files that HdrHistogram's tools read; in milliseconds. */
public final class HistogramFiles {
  private static final double NANOS_A_MILLI = 1e6;
  private static final int TICKS = 5;

  private final Path folder;

  /** Writes into a folder, which is made when it is not there. */
  public HistogramFiles(Path folder) throws IOException {
    this.folder = Files.createDirectories(folder);
  }

  /** Writes a distribution as {@code NAME.hgrm}. */
  public void distribution(String name, Latencies latencies) throws IOException {
    try (PrintStream out = open(name + ".hgrm")) {
      latencies.histogram().outputPercentileDistribution(out, TICKS, NANOS_A_MILLI);
    }
  }

  /** Writes a run as {@code NAME.hlog}: a histogram for the requests due in each second of it. */
  public void log(String name, Requests requests) throws IOException {
    List<Requests> seconds = requests.bySecond();
    try (PrintStream out = open(name + ".hlog")) {
      HistogramLogWriter writer = new HistogramLogWriter(out);
      writer.outputLogFormatVersion();
      writer.outputLegend();
      for (int second = 0; second < seconds.size(); second++) {
        if (seconds.get(second).size() > 0) {
          writer.outputIntervalHistogram(
              second, second + 1., seconds.get(second).latencies().histogram(), NANOS_A_MILLI);
        }
      }
    }
  }

  private PrintStream open(String name) throws IOException {
    return new PrintStream(
        Files.newOutputStream(folder.resolve(name)), false, StandardCharsets.UTF_8);
  }
}
