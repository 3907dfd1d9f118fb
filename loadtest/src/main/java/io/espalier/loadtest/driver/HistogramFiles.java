package io.espalier.loadtest.driver;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.HdrHistogram.Histogram;
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
    TreeMap<Long, Histogram> seconds = new TreeMap<>();
    for (int request = 0; request < requests.size(); request++) {
      long second = TimeUnit.NANOSECONDS.toSeconds(requests.planned(request) - requests.planned(0));
      seconds
          .computeIfAbsent(second, s -> new Histogram(3))
          .recordValue(requests.done(request) - requests.planned(request));
    }
    try (PrintStream out = open(name + ".hlog")) {
      HistogramLogWriter writer = new HistogramLogWriter(out);
      writer.outputLogFormatVersion();
      writer.outputLegend();
      seconds.forEach(
          (second, histogram) ->
              writer.outputIntervalHistogram(second, second + 1., histogram, NANOS_A_MILLI));
    }
  }

  private PrintStream open(String name) throws IOException {
    return new PrintStream(
        Files.newOutputStream(folder.resolve(name)), false, StandardCharsets.UTF_8);
  }
}
