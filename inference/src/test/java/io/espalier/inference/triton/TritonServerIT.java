package io.espalier.inference.triton;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;

import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.ModelRunner;
import io.espalier.inference.Tensor;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import io.espalier.inference.embedded.Hold;
import io.espalier.inference.oip.v2.GRPCInferenceServiceGrpc;
import io.espalier.inference.oip.v2.ModelInferResponse;
import io.espalier.inference.onnx.TestRepository;
import io.grpc.Attributes;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ClientStreamTracer;
import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.context.Scope;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What only a real Triton can show; the server's models are {@code y = 2x + 1}. */
class TritonServerIT {
  private static final String ONE = "instance_group { count: 1 kind: KIND_CPU }\n";
  // What the server runs and what it runs next.
  private static final int AT_SERVER = 16;

  @TempDir private static Path models;
  private static TritonContainer server;
  private TritonModelRunner runner;

  @BeforeAll
  static void start() throws IOException {
    TestRepository repository = new TestRepository(models);
    repository.affine("batching", ONE + "dynamic_batching {}");
    repository.affine(
        "bounded",
        ONE
            + """
            dynamic_batching {
              default_queue_policy {
                max_queue_size: 2 default_timeout_microseconds: 60000000 allow_timeout_override: true
              }
            }
            """);
    server = TritonContainer.start(models, "--load-model=batching", "--load-model=bounded");
  }

  @AfterAll
  static void stop() throws IOException {
    if (server != null) {
      server.close();
    }
  }

  @BeforeEach
  void connect() {
    runner = server.connect();
  }

  @AfterEach
  void disconnect() {
    runner.close();
  }

  @Test
  void load_twoVersionsInNames_areServedSideBySideUntilUnloaded(@TempDir Path elsewhere) {
    TestRepository made = new TestRepository(elsewhere);
    runner.load(made.affine("guest-1", ONE));
    runner.load(made.affine("guest-2", ONE));
    assertThat(ask(runner, "guest-1", 1)).isEqualTo(3);
    assertThat(ask(runner, "guest-2", 2)).isEqualTo(5);

    runner.unload("guest-1");

    assertThat(reason(runner.infer(call("guest-1", 1)))).isEqualTo(Reason.UNKNOWN_MODEL);
    assertThat(ask(runner, "guest-2", 3)).isEqualTo(7);
    runner.unload("guest-2");
  }

  @Test
  void load_graphThatIsNone_failsWithTheServersWords(@TempDir Path elsewhere) throws IOException {
    Path folder = new TestRepository(elsewhere).affine("broken", ONE);
    Files.writeString(folder.resolve("1/model.onnx"), "no graph");

    Throwable error = catchThrowable(() -> runner.load(folder));

    assertThat(error)
        .isInstanceOfSatisfying(
            ModelException.class, e -> assertThat(e.reason()).isEqualTo(Reason.NOT_READY))
        .hasMessageContaining("INVALID_PROTOBUF");
    assertThat(runner.isReady("broken")).isFalse();
  }

  @Test
  void infer_callsThatWait_runAsBatches() throws Exception {
    ServerStatistics before = runner.statistics("batching");
    List<CompletableFuture<Map<String, Tensor>>> calls;
    try (AutoCloseable held = server.hold(call("batching", 0))) {
      calls = send("batching", 8);
      await().until(() -> pending("batching") == 8);
    }
    assertAnswered(calls);
    ServerStatistics after = runner.statistics("batching");
    assertThat(after.rows() - before.rows()).isEqualTo(9);
    // One is what held the model.
    assertThat(after.runs() - before.runs()).isBetween(2L, 3L);
    assertThat(after.queueTime()).isGreaterThan(before.queueTime());
    assertThat(after.computeTime()).isGreaterThan(before.computeTime());
    assertThat(server.metric("nv_inference_count", "batching")).isEqualTo(after.rows());
    assertThat(server.metric("nv_inference_exec_count", "batching")).isEqualTo(after.runs());
  }

  @Test
  void infer_moreCallsThanKeepTheServerBusy_waitHere() throws Exception {
    List<CompletableFuture<Map<String, Tensor>>> calls;
    try (AutoCloseable held = server.hold(call("batching", 0))) {
      calls = send("batching", 100);
      await().until(() -> pending("batching") == AT_SERVER);
      assertThat(runner.inFlight()).isEqualTo(100);
    }
    assertAnswered(calls);
  }

  /** Who hangs up frees the queue at once, and nothing of it reaches the server. */
  @Test
  void cancel_callsThatWaitHere_neverReachTheServer() throws Exception {
    ServerStatistics before = runner.statistics("batching");
    List<CompletableFuture<Map<String, Tensor>>> calls;
    try (AutoCloseable held = server.hold(call("batching", 0))) {
      calls = send("batching", AT_SERVER + 50);
      await().until(() -> pending("batching") == AT_SERVER);
      long start = System.nanoTime();
      calls.subList(AT_SERVER, calls.size()).forEach(call -> call.cancel(true));
      assertThat(runner.inFlight()).isEqualTo(AT_SERVER);
      System.out.printf(
          "50 of %d callers hung up: out of the queue after %.3f ms%n",
          calls.size(), (System.nanoTime() - start) / 1e6);
    }
    assertAnswered(calls.subList(0, AT_SERVER));
    assertThat(runner.statistics("batching").rows() - before.rows()).isEqualTo(AT_SERVER + 1);
  }

  /**
   * The server itself lets go of a call only when the model is free, and then runs some of them.
   */
  @Test
  void cancel_callsAtTheServer_freeTheirPlacesHereAtOnce() throws Exception {
    ServerStatistics before = runner.statistics("batching");
    CompletableFuture<Map<String, Tensor>> next;
    try (AutoCloseable held = server.hold(call("batching", 0))) {
      List<CompletableFuture<Map<String, Tensor>>> calls = send("batching", AT_SERVER);
      await().until(() -> pending("batching") == AT_SERVER);
      long start = System.nanoTime();
      calls.forEach(call -> call.cancel(true));
      await().pollInterval(Duration.ofMillis(1)).until(() -> runner.inFlight() == 0);
      System.out.printf(
          "%d callers at the server hung up: places free after %.3f ms%n",
          calls.size(), (System.nanoTime() - start) / 1e6);
      next = runner.infer(call("batching", 7));
      await().until(() -> pending("batching") == AT_SERVER + 1);
    }
    assertThat(value(next)).isEqualTo(15);
    await().until(() -> pending("batching") == 0);
    long wasted = runner.statistics("batching").rows() - before.rows() - 2;
    System.out.printf("%d of %d were run for nobody%n", wasted, AT_SERVER);
    assertThat(wasted).isBetween(0L, (long) AT_SERVER);
  }

  @Test
  void infer_sentWhenAnothersCallEnds_isOfItsOwnRequest() throws Exception {
    CompletableFuture<Map<String, Tensor>> next;
    try (AutoCloseable held = server.hold(call("batching", 0))) {
      Context.CancellableContext other = Context.current().withCancellation();
      List<CompletableFuture<Map<String, Tensor>>> calls =
          other.call(() -> send("batching", AT_SERVER));
      next = runner.infer(call("batching", 7));
      await().until(() -> pending("batching") == AT_SERVER);
      other.cancel(null);
      await().until(() -> calls.stream().allMatch(CompletableFuture::isDone));
      await().until(() -> pending("batching") == AT_SERVER + 1);
    }
    assertThat(value(next)).isEqualTo(15);
  }

  @Test
  void infer_withinASpan_carriesItsTrace() {
    List<Metadata> sent = new CopyOnWriteArrayList<>();
    Span span =
        Span.wrap(
            SpanContext.create(
                "0af7651916cd43dd8448eb211c80319c",
                "b7ad6b7169203331",
                TraceFlags.getSampled(),
                TraceState.getDefault()));
    try (TritonModelRunner traced = recording(sent)) {
      try (Scope scope = span.makeCurrent()) {
        assertThat(ask(traced, "batching", 1)).isEqualTo(3);
      }
      assertThat(ask(traced, "batching", 2)).isEqualTo(5);
    }
    assertThat(sent)
        .extracting(
            headers ->
                headers.get(Metadata.Key.of("traceparent", Metadata.ASCII_STRING_MARSHALLER)))
        .containsExactly("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", null);
  }

  /** The same on the embedded engine. */
  @Test
  void cancel_waitingCallsOfTheEmbeddedEngine_leaveTheQueueAtOnce() {
    try (EmbeddedModelRunner embedded = new EmbeddedModelRunner(models)) {
      embedded.load("batching");
      try (Hold held = new Hold(embedded, call("batching", 0))) {
        List<CompletableFuture<Map<String, Tensor>>> calls = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
          calls.add(embedded.infer(call("batching", i)));
        }
        long start = System.nanoTime();
        calls.forEach(call -> call.cancel(true));
        assertThat(embedded.inFlight()).isZero();
        System.out.printf(
            "50 callers of the embedded engine hung up: out of the queue after %.3f ms%n",
            (System.nanoTime() - start) / 1e6);
      }
    }
  }

  @Test
  void infer_serversQueueFullOfAnothersCalls_isRefusedAndNotSentAgain() throws Exception {
    List<CompletableFuture<Map<String, Tensor>>> others;
    List<Metadata> streams = new CopyOnWriteArrayList<>();
    try (TritonModelRunner refused = recording(streams)) {
      try (AutoCloseable held = server.hold(call("bounded", 0))) {
        others = send("bounded", 2);
        await().until(() -> pending("bounded") == 2);

        assertThat(reason(refused.infer(call("bounded", 1)))).isEqualTo(Reason.QUEUE_FULL);
      }
      assertAnswered(others);
      assertThat(streams).hasSize(1);
    }
  }

  /**
   * A runner, and the headers of its calls of models, once for each time that one is on the wire.
   */
  private static TritonModelRunner recording(List<Metadata> streams) {
    ClientStreamTracer.Factory factory =
        new ClientStreamTracer.Factory() {
          @Override
          public ClientStreamTracer newClientStreamTracer(
              ClientStreamTracer.StreamInfo info, Metadata unused) {
            return new ClientStreamTracer() {
              @Override
              public void streamCreated(Attributes transport, Metadata headers) {
                streams.add(headers);
              }
            };
          }
        };
    ClientInterceptor interceptor =
        new ClientInterceptor() {
          @Override
          public <Q, R> ClientCall<Q, R> interceptCall(
              MethodDescriptor<Q, R> method, CallOptions options, Channel next) {
            boolean infers = method.equals(GRPCInferenceServiceGrpc.getModelInferMethod());
            return next.newCall(
                method, infers ? options.withStreamTracerFactory(factory) : options);
          }
        };
    return new TritonModelRunner(
        Grpc.newChannelBuilder(server.target(), InsecureChannelCredentials.create())
            .intercept(interceptor)
            .build());
  }

  /** The server's own clock: there is no gRPC deadline here. */
  @Test
  void infer_timeoutOfTheRequest_expiresInTheServersQueue() throws Exception {
    ManagedChannel channel =
        Grpc.newChannelBuilder(server.target(), InsecureChannelCredentials.create()).build();
    try {
      CompletableFuture<?> answer;
      try (AutoCloseable held = server.hold(call("bounded", 0))) {
        Response<ModelInferResponse> response = new Response<>();
        GRPCInferenceServiceGrpc.newStub(channel)
            .modelInfer(InferMessages.request(call("bounded", 1), 20_000), response);
        answer = response;
        await().until(() -> pending("bounded") == 1);
        Thread.sleep(50);
      }
      Throwable error = requireNonNull(catchThrowable(answer::join).getCause());
      assertThat(StatusReasons.exception("bounded", error))
          .hasMessageContaining("Request timeout expired")
          .extracting(ModelException::reason)
          .isEqualTo(Reason.EXPIRED);
    } finally {
      channel.shutdownNow();
    }
  }

  @Test
  void infer_sixteenMegabytes_comeAndGo() {
    float[] x = new float[1 << 22];
    x[x.length - 1] = 2;
    ModelCall call =
        new ModelCall("batching", Map.of("x", Tensor.ofFloats(x, 1, x.length)), soon());

    FloatBuffer y = requireNonNull(runner.infer(call).join().get("y")).floats();

    assertThat(y.remaining()).isEqualTo(x.length);
    assertThat(y.get(x.length - 1)).isEqualTo(5);
  }

  private List<CompletableFuture<Map<String, Tensor>>> send(String model, int calls) {
    List<CompletableFuture<Map<String, Tensor>>> sent = new ArrayList<>();
    for (int i = 0; i < calls; i++) {
      sent.add(runner.infer(call(model, i)));
    }
    return sent;
  }

  private static void assertAnswered(List<CompletableFuture<Map<String, Tensor>>> calls) {
    for (int i = 0; i < calls.size(); i++) {
      assertThat(value(calls.get(i))).isEqualTo(2 * i + 1);
    }
  }

  private static int pending(String model) throws Exception {
    return (int) server.metric("nv_inference_pending_request_count", model);
  }

  private static float ask(ModelRunner runner, String model, float x) {
    return value(runner.infer(call(model, x)));
  }

  private static float value(CompletableFuture<Map<String, Tensor>> call) {
    return requireNonNull(call.join().get("y")).floats().get(0);
  }

  private static ModelCall call(String model, float x) {
    return new ModelCall(model, Map.of("x", Tensor.ofFloats(new float[] {x}, 1, 1)), soon());
  }

  private static long soon() {
    return System.nanoTime() + TimeUnit.MINUTES.toNanos(5);
  }

  private static Reason reason(CompletableFuture<?> result) {
    Throwable error = catchThrowable(result::join);
    assertThat(error).isInstanceOf(CompletionException.class);
    assertThat(error.getCause()).isInstanceOf(ModelException.class);
    return ((ModelException) requireNonNull(error.getCause())).reason();
  }
}
