package io.espalier.loadtest.driver;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class HttpTargetTest {
  private final List<String> asked = new CopyOnWriteArrayList<>();
  private HttpServer server;

  @BeforeEach
  void start() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext(
        "/",
        exchange -> {
          String body = new String(exchange.getRequestBody().readAllBytes(), UTF_8);
          asked.add(exchange.getRequestHeaders().getFirst("content-type") + " " + body);
          byte[] answer = "[]".getBytes(UTF_8);
          exchange.sendResponseHeaders(body.equals("\"too much\"") ? 503 : 200, answer.length);
          exchange.getResponseBody().write(answer);
          exchange.close();
        });
    server.start();
  }

  @AfterEach
  void stop() {
    server.stop(0);
  }

  private Outcome outcome(int port, String body) throws Exception {
    URI resource = URI.create("http://127.0.0.1:" + port + "/recommend");
    CompletableFuture<Outcome> outcome = new CompletableFuture<>();
    new HttpTarget(resource, Duration.ofSeconds(20), number -> body.getBytes(UTF_8))
        .send(0, outcome::complete);
    return outcome.get(30, TimeUnit.SECONDS);
  }

  @Test
  void send_answered_isOk() throws Exception {
    assertThat(outcome(server.getAddress().getPort(), "{\"k\": 5}")).isEqualTo(Outcome.OK);
    assertThat(asked).containsExactly("application/json {\"k\": 5}");
  }

  @Test
  void send_otherStatus_isFailed() throws Exception {
    assertThat(outcome(server.getAddress().getPort(), "\"too much\"")).isEqualTo(Outcome.FAILED);
  }

  @Test
  void send_nobodyThere_isFailed() throws Exception {
    int port = server.getAddress().getPort();
    server.stop(0);

    assertThat(outcome(port, "{}")).isEqualTo(Outcome.FAILED);
  }
}
