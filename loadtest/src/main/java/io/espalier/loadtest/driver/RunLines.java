package io.espalier.loadtest.driver;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Locale;

/** Keeps what runs came to in a file, a line of JSON each, for other programs to read. */
public final class RunLines {
  private static final double NANOS_A_MILLI = 1e6;

  private RunLines() {}

  /**
   * Adds a run.
   *
   * @param processor what the server took of the processor; zero where nobody asked
   */
  public static void add(
      Path file, String name, double rate, Requests requests, Duration processor) {
    Latencies latencies = requests.latencies();
    Latencies.Interval p99 = latencies.interval(.99);
    String line =
        String.format(
            Locale.ROOT,
            "{\"run\": \"%s\", \"rate\": %.2f, \"requests\": %d, \"degraded\": %d,"
                + " \"refused\": %d, \"failed\": %d,"
                + " \"p50_ms\": %s, \"p99_ms\": %s, \"p99_low_ms\": %s, \"p99_high_ms\": %s,"
                + " \"max_ms\": %s, \"send_lag_p99_ms\": %s, \"processor_ms\": %.4f,"
                + " \"void\": %b}%n",
            name,
            rate,
            requests.size(),
            requests.count(Outcome.DEGRADED),
            requests.count(Outcome.REFUSED),
            requests.count(Outcome.FAILED),
            millis(latencies.quantile(.5)),
            millis(latencies.quantile(.99)),
            millis(p99.low()),
            millis(p99.high()),
            millis(latencies.max()),
            millis(requests.sendLag().quantile(.99)),
            processor.toNanos() / NANOS_A_MILLI / Math.max(1, requests.size()),
            requests.voidReason().isPresent());
    try {
      Files.writeString(file, line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    } catch (IOException e) {
      throw new UncheckedIOException(file + ": " + e.getMessage(), e);
    }
  }

  private static String millis(long nanos) {
    return nanos == Long.MAX_VALUE
        ? "null"
        : String.format(Locale.ROOT, "%.3f", nanos / NANOS_A_MILLI);
  }
}
