package io.espalier.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.slf4j.event.Level;

class TelemetryConfigTest {
  private static TelemetryConfig read(String yaml) {
    return ConfigFile.bind(
        ConfigFile.parse(yaml, "test.yaml"),
        "test.yaml",
        TelemetryConfig.class,
        TelemetryConfig.defaults());
  }

  @Test
  void defaults_nothingGiven_nothingIsTold() {
    assertThat(read("")).isEqualTo(TelemetryConfig.defaults());
    assertThat(TelemetryConfig.defaults().isOff()).isTrue();
    assertThat(TelemetryConfig.defaults().metrics().host()).isEqualTo("127.0.0.1");
  }

  @Test
  void read_everyKey_isMapped() {
    TelemetryConfig config =
        read(
            """
            metrics: {host: 0.0.0.0, port: 9464}
            otlp: {endpoint: "http://collector:4318/", interval: 250ms, trace_ratio: 0.5}
            logs: {format: json, level: info}
            """);
    assertThat(config)
        .isEqualTo(
            new TelemetryConfig(
                new TelemetryConfig.Metrics("0.0.0.0", 9464),
                new TelemetryConfig.Otlp("http://collector:4318/", Duration.ofMillis(250), 0.5),
                new TelemetryConfig.Logs(TelemetryConfig.Format.JSON, Level.INFO)));
    assertThat(config.isOff()).isFalse();
    assertThat(config.otlp().of("traces")).isEqualTo("http://collector:4318/v1/traces");
    assertThat(read(ConfigFile.print(config))).isEqualTo(config);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          metrics: {port: 65536}         | port: 65536 (expected: 0..65535, or null)
          metrics: {host: ""}            | host: empty (expected: a host name or an address)
          otlp: {endpoint: collector}    | endpoint: collector (expected: http://host:port
          otlp: {endpoint: "grpc://c:1"} | endpoint: grpc://c:1 (expected: http://host:port
          otlp: {interval: 0s}           | interval: PT0S (expected: > 0)
          otlp: {trace_ratio: 1.5}       | trace_ratio: 1.5 (expected: 0..1)
          otlp: {trace_ratio: -0.5}      | trace_ratio: -0.5 (expected: 0..1)
          metrics: {prot: 1}             | nearest known key: port
          logs: {format: xml}            | logs.format
          """)
  void read_wrongValue_isNamedWithWhatIsExpected(String yaml, String message) {
    assertThatThrownBy(() -> read(yaml))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining(message);
  }
}
