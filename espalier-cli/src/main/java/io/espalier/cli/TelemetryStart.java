package io.espalier.cli;

import io.espalier.cli.show.Terminal;
import io.espalier.server.JsonLogs;
import io.espalier.server.Telemetry;
import io.espalier.server.TelemetryConfig;
import java.io.IOException;

/** Starts what a command that serves tells of itself, and says where its metrics are. */
final class TelemetryStart {
  private TelemetryStart() {}

  static Telemetry start(String service, TelemetryConfig config, Terminal terminal) {
    JsonLogs.use(config.logs());
    try {
      Telemetry telemetry = Telemetry.start(service, config);
      if (telemetry.metricsPort() >= 0) {
        terminal
            .err()
            .println(
                "metrics at http://%s:%d/metrics"
                    .formatted(config.metrics().host(), telemetry.metricsPort()));
        terminal.err().flush();
      }
      return telemetry;
    } catch (IOException e) {
      throw new ProgramException(
          ExitCode.FAILED,
          "telemetry.metrics.port: %s (expected: a free one on %s, or 0: %s)"
              .formatted(config.metrics().port(), config.metrics().host(), e.getMessage()));
    }
  }
}
