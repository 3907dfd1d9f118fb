package io.espalier.server;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.context.Scope;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.slf4j.Logger;
import org.slf4j.event.Level;

class JsonLogsTest {
  private static final String TRACE = "0af7651916cd43dd8448eb211c80319c";
  private static final String SPAN = "b7ad6b7169203331";

  private final ByteArrayOutputStream written = new ByteArrayOutputStream();
  private final Logger log =
      new JsonLogs.JsonLogger(
          "test.Logger", Level.INFO, new PrintStream(written, true, StandardCharsets.UTF_8));

  private List<JsonNode> lines() throws JsonProcessingException {
    ObjectMapper json = new ObjectMapper();
    List<JsonNode> lines = new java.util.ArrayList<>();
    for (String line : written.toString(StandardCharsets.UTF_8).lines().toList()) {
      lines.add(json.readTree(line));
    }
    return lines;
  }

  @Test
  void info_withinASpan_hasItsIds() throws JsonProcessingException {
    SpanContext caller =
        SpanContext.create(TRACE, SPAN, TraceFlags.getSampled(), TraceState.getDefault());
    try (Scope _ = Span.wrap(caller).makeCurrent()) {
      log.info("{} of {}", 1, "two");
    }
    log.warn("outside");
    assertThat(lines()).hasSize(2);
    JsonNode first = lines().getFirst();
    assertThat(first.get("message").asText()).isEqualTo("1 of two");
    assertThat(first.get("level").asText()).isEqualTo("INFO");
    assertThat(first.get("logger").asText()).isEqualTo("test.Logger");
    assertThat(first.get("trace_id").asText()).isEqualTo(TRACE);
    assertThat(first.get("span_id").asText()).isEqualTo(SPAN);
    assertThat(lines().getLast().has("trace_id")).isFalse();
  }

  /** Its frames hold the tokens of calls. */
  @Test
  void getLogger_transportAtTrace_writesNoFrames() {
    String level = "io.espalier.logs.level";
    System.setProperty(level, "TRACE");
    try {
      JsonLogs logs = new JsonLogs();
      assertThat(logs.getLogger("io.espalier.server.EspalierServer").isTraceEnabled()).isTrue();
      Logger transport = logs.getLogger("io.grpc.netty.shaded.io.grpc.netty.NettyServerHandler");
      assertThat(transport.isDebugEnabled()).isFalse();
      assertThat(transport.isInfoEnabled()).isTrue();
    } finally {
      System.clearProperty(level);
    }
  }

  @Test
  void error_withAThrowable_hasItsStack() throws JsonProcessingException {
    log.error("failed {}", "here", new IllegalStateException("why"));
    assertThat(lines().getFirst().get("message").asText()).isEqualTo("failed here");
    assertThat(lines().getFirst().get("error").asText())
        .startsWith("java.lang.IllegalStateException: why")
        .contains("JsonLogsTest");
  }

  @Test
  void debug_belowTheLevel_isNotWritten() throws JsonProcessingException {
    log.debug("nothing");
    assertThat(lines()).isEmpty();
  }

  /** Whatever a message holds, a remark is one line of JSON that gives it back. */
  @Test
  void info_anyText_isOneLineThatGivesItBack() throws JsonProcessingException {
    long seed = 7;
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    for (int round = 0; round < 2000; round++) {
      StringBuilder text = new StringBuilder();
      random
          .ints(random.nextInt(20), 0, 0x11000)
          .filter(c -> !Character.isSurrogate((char) c) || c > 0xffff)
          .forEach(text::appendCodePoint);
      written.reset();
      log.info("{}", text);
      assertThat(lines()).hasSize(1);
      assertThat(lines().getFirst().get("message").asText()).isEqualTo(text.toString());
    }
  }
}
