package io.espalier.cli.cluster;

import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.ServerSocket;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * A real Prometheus on loopback that looks at its targets, and at the project's alerts, every
 * second.
 */
final class PrometheusServer implements AutoCloseable {
  private static final Duration START = Duration.ofMinutes(1);

  private final Process process;
  private final int port;
  private final HttpClient http = HttpClient.newHttpClient();

  /**
   * Starts it.
   *
   * @param program its executable
   * @param folder an empty one
   * @param targets host and port of each server's metrics, by the server's name
   */
  PrometheusServer(Path program, Path folder, Map<String, String> targets) throws Exception {
    StringBuilder config =
        new StringBuilder(
            """
            global: {scrape_interval: 1s, evaluation_interval: 1s}
            storage: {exemplars: {max_exemplars: 10000}}
            rule_files: ["%s"]
            scrape_configs:
            """
                .formatted(Monitoring.ALERTS));
    // As components/service-monitor would label them.
    targets.forEach(
        (server, target) ->
            config.append(
                """
                  - job_name: espalier-%s
                    static_configs:
                      - {targets: ["%s"], labels: {namespace: espalier, pod: %s-0}}
                """
                    .formatted(server, target, server)));
    Path file = Files.writeString(folder.resolve("prometheus.yaml"), config);
    port = freePort();
    process =
        new ProcessBuilder(
                program.toString(),
                "--config.file=" + file,
                "--web.listen-address=127.0.0.1:" + port,
                "--storage.tsdb.path=" + folder.resolve("data"),
                "--enable-feature=exemplar-storage")
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve("prometheus.log").toFile())
            .start();
    await().atMost(START).ignoreExceptions().until(() -> get("status/runtimeinfo").isObject());
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    }
  }

  /** The data of an answer of its API. */
  JsonNode get(String path) throws IOException, InterruptedException {
    HttpResponse<String> response =
        http.send(
            HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/api/v1/" + path))
                .build(),
            HttpResponse.BodyHandlers.ofString());
    JsonNode answer = new ObjectMapper().readTree(response.body());
    if (!answer.path("status").asText().equals("success")) {
      throw new AssertionError(path + ": " + answer);
    }
    return answer.path("data");
  }

  /** The series of an expression now. */
  JsonNode query(String expression) throws IOException, InterruptedException {
    return get("query?query=" + encoded(expression)).path("result");
  }

  static String encoded(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8);
  }

  @Override
  public void close() throws InterruptedException {
    process.destroy();
    if (!process.waitFor(20, TimeUnit.SECONDS)) {
      process.destroyForcibly();
    }
  }
}
