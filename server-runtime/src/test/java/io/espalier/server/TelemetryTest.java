package io.espalier.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.google.protobuf.ByteString;
import io.espalier.rewrite.v1.RewriteRequest;
import io.espalier.rewrite.v1.RewriteResponse;
import io.espalier.rewrite.v1.RewriteServiceGrpc;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.proto.metrics.v1.Metric;
import io.opentelemetry.proto.trace.v1.Span;
import io.opentelemetry.proto.trace.v1.Span.SpanKind;
import io.opentelemetry.proto.trace.v1.Status.StatusCode;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class TelemetryTest {
  private static final String TRACE = "0af7651916cd43dd8448eb211c80319c";
  private static final String CALLER = "b7ad6b7169203331";
  private static final String METHOD = "espalier.rewrite.v1.RewriteService/Rewrite";

  private static final String IN_PROGRESS =
      "espalier_server_calls_in_progress{rpc_method=\"" + METHOD + "\"}";

  private final List<AutoCloseable> open = new ArrayList<>();

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable closeable : open.reversed()) {
      closeable.close();
    }
  }

  private Telemetry start(Map<String, String> settings) throws IOException {
    TelemetryConfig config =
        ConfigFile.bind(
            ConfigFile.override(ConfigFile.parse("", "test"), settings),
            "test",
            TelemetryConfig.class,
            TelemetryConfig.defaults());
    Telemetry telemetry = Telemetry.start("test", config);
    open.add(telemetry);
    return telemetry;
  }

  /** A server whose answer to a query is made by {@code answer}. */
  private EspalierServer served(OpenTelemetry telemetry, UnaryOperator<String> answer)
      throws IOException {
    EspalierServer server =
        EspalierServer.builder("test", ServerConfig.defaults())
            .openTelemetry(telemetry)
            .service(
                new RewriteServiceGrpc.RewriteServiceImplBase() {
                  @Override
                  public void rewrite(
                      RewriteRequest request, StreamObserver<RewriteResponse> observer) {
                    observer.onNext(
                        RewriteResponse.newBuilder()
                            .setNormalisedQuery(answer.apply(request.getQuery()))
                            .build());
                    observer.onCompleted();
                  }
                })
            .buildInProcess(UUID.randomUUID().toString())
            .start();
    open.add(server);
    return server;
  }

  private ManagedChannel channel(EspalierServer server, OpenTelemetry telemetry) {
    ManagedChannel channel =
        ClientChannels.open(server.target(), Caller.plain(), 1 << 20, telemetry);
    open.add(channel::shutdownNow);
    return channel;
  }

  /** A caller of his own, whose trace is recorded or is not. */
  private Channel caller(EspalierServer server, boolean sampled) {
    Metadata headers = new Metadata();
    headers.put(
        Metadata.Key.of("traceparent", Metadata.ASCII_STRING_MARSHALLER),
        "00-" + TRACE + "-" + CALLER + (sampled ? "-01" : "-00"));
    return ClientInterceptors.intercept(
        channel(server, OpenTelemetry.noop()), MetadataUtils.newAttachHeadersInterceptor(headers));
  }

  private static String call(Channel channel, String query) {
    return RewriteServiceGrpc.newBlockingStub(channel)
        .withDeadlineAfter(20, TimeUnit.SECONDS)
        .rewrite(RewriteRequest.newBuilder().setQuery(query).build())
        .getNormalisedQuery();
  }

  private static String metrics(Telemetry telemetry, String accept)
      throws IOException, InterruptedException {
    URI address = URI.create("http://127.0.0.1:" + telemetry.metricsPort() + "/metrics");
    try (HttpClient client = HttpClient.newHttpClient()) {
      return client
          .send(
              HttpRequest.newBuilder(address).header("Accept", accept).build(),
              HttpResponse.BodyHandlers.ofString())
          .body();
    }
  }

  /** Calls that a server does not answer, ended by their deadlines and by their callers. */
  @Test
  void metrics_callsThatAreNotAnswered_tellLateOnesFromThoseThatWereGivenUp() throws Exception {
    Telemetry telemetry = start(Map.of("metrics.port", "0"));
    CountDownLatch gate = new CountDownLatch(1);
    EspalierServer server =
        EspalierServer.builder("test", ServerConfig.defaults())
            .openTelemetry(telemetry.openTelemetry())
            .service(
                new RewriteServiceGrpc.RewriteServiceImplBase() {
                  @Override
                  public void rewrite(
                      RewriteRequest request, StreamObserver<RewriteResponse> observer) {
                    try {
                      gate.await();
                    } catch (InterruptedException e) {
                      Thread.currentThread().interrupt();
                    }
                  }
                })
            .build()
            .start();
    open.add(server);
    open.add(gate::countDown);
    Channel channel = channel(server, OpenTelemetry.noop());
    List<Future<RewriteResponse>> late = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      late.add(
          RewriteServiceGrpc.newFutureStub(channel)
              .withDeadlineAfter(2, TimeUnit.SECONDS)
              .rewrite(RewriteRequest.getDefaultInstance()));
    }
    for (Future<RewriteResponse> call : late) {
      assertThatThrownBy(call::get).hasMessageContaining("DEADLINE_EXCEEDED");
    }
    await().until(() -> metrics(telemetry, "text/plain").contains(IN_PROGRESS + " 0.0"));
    for (int i = 0; i < 10; i++) {
      Future<RewriteResponse> call =
          RewriteServiceGrpc.newFutureStub(channel)
              .withDeadlineAfter(1, TimeUnit.MINUTES)
              .rewrite(RewriteRequest.getDefaultInstance());
      await().until(() -> metrics(telemetry, "text/plain").contains(IN_PROGRESS + " 1.0"));
      call.cancel(true);
      await().until(() -> metrics(telemetry, "text/plain").contains(IN_PROGRESS + " 0.0"));
    }
    int exceeded = count(metrics(telemetry, "text/plain"), "DEADLINE_EXCEEDED");
    // A machine that stood still for a tenth of a second has some of them look given up.
    assertThat(exceeded).isBetween(10, 20);
    assertThat(count(metrics(telemetry, "text/plain"), "CANCELLED")).isEqualTo(30 - exceeded);
  }

  private static int count(String metrics, String code) {
    String series =
        "rpc_server_duration_seconds_count{rpc_grpc_status_code=\"%s\",rpc_method=\"%s\"} "
            .formatted(code, METHOD);
    return metrics
        .lines()
        .filter(line -> line.startsWith(series))
        .mapToInt(line -> Integer.parseInt(line.substring(series.length())))
        .sum();
  }

  @Test
  void start_nothingConfigured_measuresNothing() throws IOException {
    Telemetry telemetry = start(Map.of());
    assertThat(telemetry.openTelemetry()).isSameAs(OpenTelemetry.noop());
    assertThat(telemetry.metricsPort()).isEqualTo(-1);
    assertThat(Telemetry.traces(telemetry.openTelemetry())).isFalse();
  }

  @Test
  void start_portTaken_fails() throws IOException {
    Telemetry first = start(Map.of("metrics.port", "0"));
    assertThatThrownBy(() -> start(Map.of("metrics.port", "" + first.metricsPort())))
        .isInstanceOf(IOException.class);
  }

  @Test
  void metrics_callsServed_areInBucketsFitFor1To100Milliseconds() throws Exception {
    Telemetry telemetry = start(Map.of("metrics.port", "0"));
    Channel channel =
        channel(served(telemetry.openTelemetry(), query -> query), OpenTelemetry.noop());
    for (int i = 0; i < 7; i++) {
      call(channel, "q");
    }
    String metrics = metrics(telemetry, "text/plain");
    String series =
        "rpc_server_duration_seconds_bucket{rpc_grpc_status_code=\"OK\",rpc_method=\""
            + METHOD
            + "\",le=\"";
    assertThat(Telemetry.SECONDS).isSorted();
    assertThat(Telemetry.SECONDS.stream().filter(bound -> bound >= .001 && bound <= .1).count())
        .isGreaterThan(10);
    assertThat(metrics.lines().filter(line -> line.startsWith(series)).count())
        .isEqualTo(Telemetry.SECONDS.size() + 1);
    assertThat(metrics)
        .contains(series + "0.003\"}")
        .contains(series + "+Inf\"} 7")
        .contains("espalier_server_serving{server=\"test\"} 1")
        .contains("espalier_server_exceptions_unmapped_total 0")
        .contains("service_name=\"test\"");
  }

  @Test
  void metrics_callersTraceIsRecorded_isTheExemplarOfItsBucket() throws Exception {
    Telemetry telemetry = start(Map.of("metrics.port", "0"));
    call(caller(served(telemetry.openTelemetry(), query -> query), true), "q");
    assertThat(metrics(telemetry, "application/openmetrics-text; version=1.0.0"))
        .containsPattern("rpc_server_duration_seconds_bucket.* # \\{.*trace_id=\"" + TRACE);
  }

  @Test
  void spans_callThroughTwoServers_areOneChainUnderTheCallers() throws Exception {
    try (OtlpReceiver receiver = new OtlpReceiver()) {
      Telemetry telemetry = start(Map.of("otlp.endpoint", receiver.endpoint()));
      OpenTelemetry told = telemetry.openTelemetry();
      Channel back = channel(served(told, query -> query + "!"), told);
      EspalierServer front = served(told, query -> call(back, query));

      assertThat(call(caller(front, true), "q")).isEqualTo("q!");
      telemetry.close();

      Span taken = under(CALLER, receiver);
      Span sent = under(hex(taken.getSpanId()), receiver);
      Span takenBehind = under(hex(sent.getSpanId()), receiver);
      assertThat(receiver.spans).hasSize(3).allMatch(span -> span.getName().equals(METHOD));
      assertThat(receiver.spans).allMatch(span -> hex(span.getTraceId()).equals(TRACE));
      assertThat(List.of(taken.getKind(), sent.getKind(), takenBehind.getKind()))
          .containsExactly(
              SpanKind.SPAN_KIND_SERVER, SpanKind.SPAN_KIND_CLIENT, SpanKind.SPAN_KIND_SERVER);
      assertThat(receiver.metrics).extracting(Metric::getName).contains("rpc.server.duration");
    }
  }

  private static Span under(String parent, OtlpReceiver receiver) {
    return receiver.spans.stream()
        .filter(span -> hex(span.getParentSpanId()).equals(parent))
        .findFirst()
        .orElseThrow();
  }

  private static String hex(ByteString id) {
    return HexFormat.of().formatHex(id.toByteArray());
  }

  @Test
  void spans_callerRecordsNothing_areNotSent() throws Exception {
    try (OtlpReceiver receiver = new OtlpReceiver()) {
      Telemetry telemetry =
          start(Map.of("otlp.endpoint", receiver.endpoint(), "otlp.trace_ratio", "1"));
      call(caller(served(telemetry.openTelemetry(), query -> query), false), "q");
      telemetry.close();
      assertThat(receiver.spans).isEmpty();
    }
  }

  @Test
  void spans_callFails_areErrors() throws Exception {
    try (OtlpReceiver receiver = new OtlpReceiver()) {
      Telemetry telemetry = start(Map.of("otlp.endpoint", receiver.endpoint()));
      EspalierServer server =
          served(
              telemetry.openTelemetry(),
              query -> {
                throw RequestException.invalidArgument("query: bad (expected: good)");
              });
      assertThatThrownBy(() -> call(caller(server, true), "q"))
          .isInstanceOf(StatusRuntimeException.class);
      telemetry.close();
      assertThat(receiver.spans).hasSize(1);
      assertThat(receiver.spans.element().getStatus().getCode())
          .isEqualTo(StatusCode.STATUS_CODE_ERROR);
    }
  }
}
