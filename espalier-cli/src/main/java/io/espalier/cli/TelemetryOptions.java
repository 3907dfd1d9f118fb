package io.espalier.cli;

import io.espalier.server.ConfigFile;
import io.espalier.server.TelemetryConfig;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine.Option;

/** What the servers of one process tell of themselves. */
final class TelemetryOptions {
  @Option(
      names = "--telemetry",
      paramLabel = "KEY=VALUE",
      description = {
        "What it tells of itself, for example metrics.port=9464 (Prometheus),"
            + " otlp.endpoint=http://127.0.0.1:4318, logs.format=json.",
        "Keys: metrics: {host, port}, otlp: {endpoint, interval, trace_ratio}, logs: {format,"
            + " level}. May be given again."
      })
  Map<String, String> settings = new LinkedHashMap<>();

  TelemetryConfig config() {
    return ConfigFile.bind(
        ConfigFile.override(ConfigFile.parse("", "--telemetry"), settings),
        "--telemetry",
        TelemetryConfig.class,
        TelemetryConfig.defaults());
  }
}
