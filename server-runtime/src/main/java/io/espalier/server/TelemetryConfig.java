package io.espalier.server;

import java.net.URI;
import java.time.Duration;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.slf4j.event.Level;

/**
 * What a server tells of itself, and where. Nothing unless told otherwise, but for warnings.
 *
 * @param metrics where Prometheus finds the metrics
 * @param otlp where metrics and traces are sent
 * @param logs how remarks are written to standard error
 */
public record TelemetryConfig(Metrics metrics, Otlp otlp, Logs logs) {

  /**
   * An HTTP endpoint at {@code /metrics}.
   *
   * @param host address to listen on; loopback unless told otherwise
   * @param port TCP port; 0 takes a free one, null is no endpoint
   */
  public record Metrics(String host, @Nullable Integer port) {
    public Metrics {
      if (host.isBlank()) {
        throw new IllegalArgumentException("host: empty (expected: a host name or an address)");
      }
      if (port != null && (port < 0 || port > 65_535)) {
        throw new IllegalArgumentException("port: " + port + " (expected: 0..65535, or null)");
      }
    }
  }

  /**
   * A collector that takes OTLP over HTTP.
   *
   * @param endpoint for example {@code http://127.0.0.1:4318}; empty for none
   * @param interval between two reports of metrics
   * @param traceRatio share of the requests that are traced, 0..1, of those whose caller has not
   *     decided: his own decision counts
   */
  public record Otlp(String endpoint, Duration interval, double traceRatio) {
    public Otlp {
      if (!endpoint.isEmpty() && !isHttp(endpoint)) {
        throw new IllegalArgumentException(
            "endpoint: " + endpoint + " (expected: http://host:port or https://host:port)");
      }
      if (!interval.isPositive()) {
        throw new IllegalArgumentException("interval: " + interval + " (expected: > 0)");
      }
      if (!(traceRatio >= 0 && traceRatio <= 1)) {
        throw new IllegalArgumentException("trace_ratio: " + traceRatio + " (expected: 0..1)");
      }
    }

    private static boolean isHttp(String endpoint) {
      try {
        URI uri = URI.create(endpoint);
        return uri.getHost() != null
            && ("http".equals(uri.getScheme()) || "https".equals(uri.getScheme()));
      } catch (IllegalArgumentException e) {
        return false;
      }
    }

    /** The address of one signal: {@code traces} or {@code metrics}. */
    String of(String signal) {
      return endpoint + (endpoint.endsWith("/") ? "v1/" : "/v1/") + signal;
    }
  }

  /**
   * Remarks.
   *
   * @param format for people, or for machines with the ids of the trace that they belong to
   * @param level of the least important ones that are written
   */
  public record Logs(Format format, Level level) {
    public Logs {
      Objects.requireNonNull(format, "format");
      Objects.requireNonNull(level, "level");
    }
  }

  /** How a remark looks. */
  public enum Format {
    /** A line for people. */
    TEXT,
    /** A JSON object a line. */
    JSON
  }

  /** No endpoint, no collector, warnings as text. */
  public static TelemetryConfig defaults() {
    return new TelemetryConfig(
        new Metrics("127.0.0.1", null),
        new Otlp("", Duration.ofSeconds(10), 0.01),
        new Logs(Format.TEXT, Level.WARN));
  }

  /** Whether nobody would see what is measured or which trace a request belongs to. */
  boolean isOff() {
    return metrics.port() == null && otlp.endpoint().isEmpty() && logs.format() == Format.TEXT;
  }
}
