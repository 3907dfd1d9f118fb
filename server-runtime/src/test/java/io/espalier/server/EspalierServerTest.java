package io.espalier.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.awaitility.Awaitility.await;

import com.google.common.util.concurrent.ListenableFuture;
import io.espalier.rewrite.v1.RewriteRequest;
import io.espalier.rewrite.v1.RewriteResponse;
import io.espalier.rewrite.v1.RewriteServiceGrpc;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.ServerCall;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.reflection.v1.ServerReflectionGrpc;
import io.grpc.reflection.v1.ServerReflectionRequest;
import io.grpc.reflection.v1.ServerReflectionResponse;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class EspalierServerTest {
  private final List<AutoCloseable> open = new ArrayList<>();

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable closeable : open.reversed()) {
      closeable.close();
    }
  }

  /** A service whose one method does what the test says. */
  private static final class Scripted extends RewriteServiceGrpc.RewriteServiceImplBase {
    private final Consumer<RewriteRequest> script;
    private final AtomicBoolean viaOnError;

    Scripted(Consumer<RewriteRequest> script, boolean viaOnError) {
      this.script = script;
      this.viaOnError = new AtomicBoolean(viaOnError);
    }

    @Override
    public void rewrite(RewriteRequest request, StreamObserver<RewriteResponse> observer) {
      try {
        script.accept(request);
      } catch (RuntimeException e) {
        if (viaOnError.get()) {
          observer.onError(e);
          return;
        }
        throw e;
      }
      observer.onNext(RewriteResponse.newBuilder().setNormalisedQuery(request.getQuery()).build());
      observer.onCompleted();
    }
  }

  private EspalierServer start(EspalierServer.Builder builder) {
    try {
      EspalierServer server = builder.buildInProcess(UUID.randomUUID().toString());
      open.add(server);
      return server.start();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private ManagedChannel channel(EspalierServer server) {
    ManagedChannel channel = ClientChannels.open(server.target());
    open.add(channel::shutdownNow);
    return channel;
  }

  private static EspalierServer.Builder scripted(
      ServerConfig config, Consumer<RewriteRequest> script) {
    return EspalierServer.builder("test", config).service(new Scripted(script, false));
  }

  private static RewriteResponse call(Channel channel) {
    return RewriteServiceGrpc.newBlockingStub(channel)
        .withDeadlineAfter(20, TimeUnit.SECONDS)
        .rewrite(RewriteRequest.newBuilder().setQuery("q").build());
  }

  private static StatusRuntimeException failure(Runnable call) {
    StatusRuntimeException failure = catchThrowableOfType(StatusRuntimeException.class, call::run);
    assertThat(failure).isNotNull();
    return failure;
  }

  private static String description(StatusRuntimeException failure) {
    return String.valueOf(failure.getStatus().getDescription());
  }

  private static @Nullable String pushback(StatusRuntimeException failure) {
    Metadata trailers = failure.getTrailers();
    return trailers == null ? null : trailers.get(ExceptionMapper.PUSHBACK);
  }

  @Test
  void call_serviceAnswers_answerArrives() {
    EspalierServer server = start(scripted(ServerConfig.defaults(), request -> {}));
    assertThat(call(channel(server)).getNormalisedQuery()).isEqualTo("q");
    assertThat(server.unmappedExceptions()).isZero();
  }

  @Test
  void call_requestException_codeAndMessageArrive() {
    for (boolean viaOnError : new boolean[] {false, true}) {
      EspalierServer server =
          start(
              EspalierServer.builder("test", ServerConfig.defaults())
                  .service(
                      new Scripted(
                          request -> {
                            throw new CompletionException(
                                RequestException.notFound("bundle: x@1 (expected: a@1)"));
                          },
                          viaOnError)));
      StatusRuntimeException failure = failure(() -> call(channel(server)));
      assertThat(failure.getStatus().getCode()).isEqualTo(Status.Code.NOT_FOUND);
      assertThat(description(failure)).isEqualTo("bundle: x@1 (expected: a@1)");
      assertThat(server.unmappedExceptions()).isZero();
    }
  }

  @Test
  void call_unmappedException_isInternalCountedAndTellsNothing() {
    for (boolean viaOnError : new boolean[] {false, true}) {
      EspalierServer server =
          start(
              EspalierServer.builder("test", ServerConfig.defaults())
                  .service(
                      new Scripted(
                          request -> {
                            throw new IllegalStateException("password of the database");
                          },
                          viaOnError)));
      StatusRuntimeException failure = failure(() -> call(channel(server)));
      assertThat(failure.getStatus().getCode()).isEqualTo(Status.Code.INTERNAL);
      assertThat(description(failure)).startsWith("internal error ").doesNotContain("password");
      assertThat(server.unmappedExceptions()).isEqualTo(1);
    }
  }

  @Test
  void call_exceptionRule_isUsed() {
    EspalierServer server =
        start(
            scripted(
                    ServerConfig.defaults(),
                    request -> {
                      throw new ArithmeticException("model queue is full");
                    })
                .exceptionRule(
                    ArithmeticException.class,
                    e -> RequestException.resourceExhausted(String.valueOf(e.getMessage()))));
    StatusRuntimeException failure = failure(() -> call(channel(server)));
    assertThat(failure.getStatus().getCode()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
    assertThat(pushback(failure)).isEqualTo("-1");
  }

  @Test
  void call_downstreamStatus_keepsItsCodeAndLosesHosts() {
    Map<Status, Status.Code> expected =
        Map.of(
            Status.UNAVAILABLE.withDescription("10.0.0.7:9000 refused"), Status.Code.UNAVAILABLE,
            Status.DEADLINE_EXCEEDED.withDescription("10.0.0.7:9000"),
                Status.Code.DEADLINE_EXCEEDED,
            Status.CANCELLED.withDescription("10.0.0.7:9000"), Status.Code.UNAVAILABLE,
            Status.INTERNAL.withDescription("10.0.0.7:9000"), Status.Code.INTERNAL,
            Status.UNKNOWN
                    .withDescription("10.0.0.7:9000")
                    .withCause(Status.UNKNOWN.asRuntimeException()),
                Status.Code.INTERNAL,
            Status.NOT_FOUND.withDescription("bundle: b"), Status.Code.NOT_FOUND);
    expected.forEach(
        (status, code) -> {
          EspalierServer server =
              start(
                  scripted(
                      ServerConfig.defaults(),
                      request -> {
                        throw status.asRuntimeException();
                      }));
          StatusRuntimeException failure = failure(() -> call(channel(server)));
          assertThat(failure.getStatus().getCode()).as(status.toString()).isEqualTo(code);
          assertThat(description(failure)).doesNotContain("10.0.0.7");
          assertThat(server.unmappedExceptions()).isZero();
        });
  }

  private static byte[] raw(Channel channel, byte[] request) {
    MethodDescriptor.Marshaller<byte[]> bytes =
        new MethodDescriptor.Marshaller<>() {
          @Override
          public InputStream stream(byte[] value) {
            return new ByteArrayInputStream(value);
          }

          @Override
          public byte[] parse(InputStream stream) {
            try {
              return stream.readAllBytes();
            } catch (IOException e) {
              throw new UncheckedIOException(e);
            }
          }
        };
    return ClientCalls.blockingUnaryCall(
        channel,
        RewriteServiceGrpc.getRewriteMethod().toBuilder(bytes, bytes).build(),
        io.grpc.CallOptions.DEFAULT.withDeadlineAfter(20, TimeUnit.SECONDS),
        request);
  }

  @Test
  void call_malformedBytes_isInvalidArgument() throws Exception {
    EspalierServer inProcess = start(scripted(ServerConfig.defaults(), request -> {}));
    EspalierServer tcp = scripted(ServerConfig.defaults(), request -> {}).build().start();
    open.add(tcp);
    for (EspalierServer server : List.of(inProcess, tcp)) {
      StatusRuntimeException failure =
          failure(() -> raw(channel(server), new byte[] {0x1a, 0x7f, 0x01}));
      assertThat(failure.getStatus().getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
      assertThat(description(failure)).contains("malformed");
      assertThat(server.unmappedExceptions()).isZero();
    }
  }

  @Test
  void call_oversizedRequest_isResourceExhaustedOverTcpAndInProcess() throws Exception {
    ServerConfig small = ServerConfig.of(Map.of("max_message_bytes", "1024"));
    EspalierServer inProcess = start(scripted(small, request -> {}));
    EspalierServer tcp = scripted(small, request -> {}).build().start();
    open.add(tcp);
    for (EspalierServer server : List.of(inProcess, tcp)) {
      for (int size : new int[] {1_500, 100_000}) {
        RewriteRequest request = RewriteRequest.newBuilder().setQuery("x".repeat(size)).build();
        StatusRuntimeException failure =
            failure(() -> RewriteServiceGrpc.newBlockingStub(channel(server)).rewrite(request));
        assertThat(failure.getStatus().getCode())
            .as("%s %d", server.target(), size)
            .isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
      }
    }
  }

  @Test
  void call_beyondTheConcurrencyLimit_isRefusedAndPermitsComeBack() throws Exception {
    CountDownLatch started = new CountDownLatch(1);
    CountDownLatch release = new CountDownLatch(1);
    EspalierServer server =
        start(
            scripted(
                ServerConfig.of(Map.of("max_concurrent_calls", "1")),
                request -> {
                  if (request.getQuery().equals("slow")) {
                    started.countDown();
                    awaitQuietly(release);
                  }
                  if (request.getQuery().equals("fail")) {
                    throw RequestException.failedPrecondition("no");
                  }
                }));
    ManagedChannel channel = channel(server);
    ListenableFuture<RewriteResponse> slow =
        RewriteServiceGrpc.newFutureStub(channel)
            .rewrite(RewriteRequest.newBuilder().setQuery("slow").build());
    started.await();
    StatusRuntimeException refused = failure(() -> call(channel));
    assertThat(refused.getStatus().getCode()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
    assertThat(pushback(refused)).isEqualTo("-1");
    release.countDown();
    slow.get(20, TimeUnit.SECONDS);
    for (int i = 0; i < 3; i++) {
      assertThat(
              failure(
                      () ->
                          RewriteServiceGrpc.newBlockingStub(channel)
                              .rewrite(RewriteRequest.newBuilder().setQuery("fail").build()))
                  .getStatus()
                  .getCode())
          .isEqualTo(Status.Code.FAILED_PRECONDITION);
    }
    assertThat(call(channel).getNormalisedQuery()).isEqualTo("q");
  }

  @Test
  void call_refusedWhileEveryProcessorIsTaken_needsNoThreadOfItsOwn() throws Exception {
    // As many calls that do nothing but compute as virtual threads can run at once.
    int processors = Runtime.getRuntime().availableProcessors();
    CountDownLatch computing = new CountDownLatch(processors);
    AtomicBoolean done = new AtomicBoolean();
    EspalierServer server =
        scripted(
                ServerConfig.of(Map.of("max_concurrent_calls", Integer.toString(processors + 1))),
                request -> {
                  computing.countDown();
                  while (!done.get()) {
                    Thread.onSpinWait();
                  }
                })
            .build()
            .start();
    open.add(server);
    open.add(() -> done.set(true));
    ManagedChannel channel = channel(server);
    List<ListenableFuture<RewriteResponse>> calls = new ArrayList<>();
    for (int i = 0; i < processors; i++) {
      calls.add(rewrite(channel));
    }
    assertThat(computing.await(60, TimeUnit.SECONDS)).isTrue();
    // This one is let in and waits for a processor; the next is refused without one.
    calls.add(rewrite(channel));
    StatusRuntimeException refused = failure(() -> call(channel));
    assertThat(refused.getStatus().getCode()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
    assertThat(calls).noneMatch(ListenableFuture::isDone);
    done.set(true);
    for (ListenableFuture<RewriteResponse> call : calls) {
      assertThat(call.get(20, TimeUnit.SECONDS).getNormalisedQuery()).isEqualTo("q");
    }
  }

  private static ListenableFuture<RewriteResponse> rewrite(Channel channel) {
    return RewriteServiceGrpc.newFutureStub(channel)
        .rewrite(RewriteRequest.newBuilder().setQuery("q").build());
  }

  @Test
  void call_tenantAndPriority_travelOnAndAreCheckedAtTheDoor() {
    List<String> seen = new ArrayList<>();
    EspalierServer stage =
        start(
            scripted(
                ServerConfig.defaults(),
                request -> seen.add(Tenant.current() + " " + Priority.current())));
    ManagedChannel toStage = channel(stage);
    EspalierServer router = start(scripted(ServerConfig.defaults(), request -> call(toStage)));
    ManagedChannel channel = channel(router);
    call(channel);
    call(with(channel, "acme", "3"));
    assertThat(seen).containsExactly(" 0", "acme 3");
    for (String priority : List.of("-1", "10", "", "x")) {
      StatusRuntimeException refused = failure(() -> call(with(channel, "acme", priority)));
      assertThat(refused.getStatus().getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
      assertThat(description(refused))
          .isEqualTo("x-espalier-priority: " + priority + " (expected: 0..9)");
    }
    assertThat(failure(() -> call(with(channel, "x".repeat(129), "0"))).getStatus().getCode())
        .isEqualTo(Status.Code.INVALID_ARGUMENT);
  }

  private static Channel with(Channel channel, String tenant, String priority) {
    Metadata headers = new Metadata();
    headers.put(Tenant.HEADER, tenant);
    headers.put(Priority.HEADER, priority);
    return ClientInterceptors.intercept(
        channel, MetadataUtils.newAttachHeadersInterceptor(headers));
  }

  @Test
  void call_tenantThatWasProved_isNotOverruledByTheHeader() {
    List<String> seen = new ArrayList<>();
    Metadata headers = new Metadata();
    headers.put(Tenant.HEADER, "claimed");
    Context.current()
        .withValue(Tenant.KEY, "proved")
        .run(
            () ->
                new CallOrigin()
                    .interceptCall(
                        new NoCall(),
                        headers,
                        (call, given) -> {
                          seen.add(Tenant.current());
                          return new ServerCall.Listener<>() {};
                        }));
    assertThat(seen).containsExactly("proved");
  }

  private static final class NoCall extends ServerCall<String, String> {
    @Override
    public void request(int messages) {}

    @Override
    public void sendHeaders(Metadata headers) {}

    @Override
    public void sendMessage(String message) {}

    @Override
    public void close(Status status, Metadata trailers) {}

    @Override
    public boolean isCancelled() {
      return false;
    }

    @Override
    public MethodDescriptor<String, String> getMethodDescriptor() {
      throw new UnsupportedOperationException();
    }
  }

  @Test
  void call_objectiveAndLoad_areTheServersAndTheCalls() throws Exception {
    List<Double> loads = new ArrayList<>();
    EspalierServer server =
        start(
            scripted(
                ServerConfig.of(Map.of("max_concurrent_calls", "4")),
                request -> {
                  loads.add(Admission.load());
                  Admission.objective(Duration.ofMillis(50));
                }));
    ManagedChannel channel = channel(server);
    call(channel);
    call(channel);
    assertThat(loads).containsExactly(.25, .25);
    assertThat(Admission.load()).isZero();
  }

  private static void awaitQuietly(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Test
  void call_lessTimeThanTheFloor_isRefusedBeforeTheService() {
    AtomicBoolean reached = new AtomicBoolean();
    EspalierServer server =
        start(
            scripted(
                ServerConfig.of(Map.of("deadline_floor", "1h")), request -> reached.set(true)));
    assertThat(failure(() -> call(channel(server))).getStatus().getCode())
        .isEqualTo(Status.Code.DEADLINE_EXCEEDED);
    assertThat(reached).isFalse();
  }

  @Test
  void call_sharedToken_isRequiredButForHealth() {
    ServerConfig config = ServerConfig.of(Map.of("auth_token", "hunter2"));
    EspalierServer server = start(scripted(config, request -> {}));
    assertThat(failure(() -> call(channel(server))).getStatus().getCode())
        .isEqualTo(Status.Code.UNAUTHENTICATED);
    ManagedChannel known = ClientChannels.open(server.target(), Caller.with(Secret.of("hunter2")));
    open.add(known::shutdownNow);
    assertThat(call(known).getNormalisedQuery()).isEqualTo("q");
    assertThat(health(channel(server), "")).isEqualTo(ServingStatus.SERVING);
  }

  private static ServingStatus health(Channel channel, String service) {
    return HealthGrpc.newBlockingStub(channel)
        .check(HealthCheckRequest.newBuilder().setService(service).build())
        .getStatus();
  }

  @Test
  void health_readinessChecks_areFollowed() {
    AtomicBoolean ready = new AtomicBoolean(false);
    EspalierServer server =
        start(
            scripted(ServerConfig.defaults(), request -> {})
                .readiness("bundles", ready::get)
                .readiness(
                    "throws until ready",
                    () -> {
                      if (!ready.get()) {
                        throw new IllegalStateException("not yet");
                      }
                      return true;
                    }));
    ManagedChannel channel = channel(server);
    assertThat(health(channel, "")).isEqualTo(ServingStatus.NOT_SERVING);
    assertThat(health(channel, "espalier.rewrite.v1.RewriteService"))
        .isEqualTo(ServingStatus.NOT_SERVING);
    assertThat(server.unready()).containsExactly("bundles", "throws until ready");
    ready.set(true);
    await().untilAsserted(() -> assertThat(health(channel, "")).isEqualTo(ServingStatus.SERVING));
    ready.set(false);
    await()
        .untilAsserted(() -> assertThat(health(channel, "")).isEqualTo(ServingStatus.NOT_SERVING));
  }

  /** It is the server's to end: nobody else would before the drain's time is over. */
  @Test
  void close_healthIsWatched_theWatchEndsAndIsNotWaitedFor() throws Exception {
    EspalierServer server =
        EspalierServer.builder(
                "test", ServerConfig.of(Map.of("drain_timeout", "10m", "propagation_delay", "1ms")))
            .build()
            .start();
    LinkedBlockingQueue<String> heard = new LinkedBlockingQueue<>();
    HealthGrpc.newStub(channel(server))
        .watch(
            HealthCheckRequest.getDefaultInstance(),
            new StreamObserver<>() {
              @Override
              public void onNext(HealthCheckResponse response) {
                heard.add(response.getStatus().name());
              }

              @Override
              public void onError(Throwable failure) {
                heard.add(failure.toString());
              }

              @Override
              public void onCompleted() {
                heard.add("end");
              }
            });
    assertThat(heard.take()).isEqualTo("SERVING");
    Thread closing = Thread.ofVirtual().start(server::close);
    assertThat(closing.join(Duration.ofMinutes(2))).isTrue();
    assertThat(heard.take()).isEqualTo("NOT_SERVING");
    assertThat(heard.take()).isEqualTo("end");
  }

  @Test
  void close_callInProgress_isDrainedAndThenPartsCloseLastFirst() throws Exception {
    CountDownLatch started = new CountDownLatch(1);
    CountDownLatch release = new CountDownLatch(1);
    LinkedBlockingQueue<String> order = new LinkedBlockingQueue<>();
    EspalierServer server =
        start(
            scripted(
                    ServerConfig.defaults(),
                    request -> {
                      started.countDown();
                      awaitQuietly(release);
                      order.add("call");
                    })
                .closing(() -> order.add("models"))
                .closing(() -> order.add("index")));
    ListenableFuture<RewriteResponse> call =
        RewriteServiceGrpc.newFutureStub(channel(server))
            .rewrite(RewriteRequest.getDefaultInstance());
    started.await();
    Thread closing = Thread.ofVirtual().start(server::close);
    assertThat(closing.join(Duration.ofMillis(100))).isFalse();
    release.countDown();
    call.get(20, TimeUnit.SECONDS);
    closing.join();
    assertThat(order).containsExactly("call", "index", "models");
    assertThatThrownBy(() -> call(channel(server))).isInstanceOf(StatusRuntimeException.class);
  }

  @Test
  void reflection_listServices_namesThem() throws Exception {
    EspalierServer server = start(scripted(ServerConfig.defaults(), request -> {}));
    LinkedBlockingQueue<ServerReflectionResponse> answers = new LinkedBlockingQueue<>();
    StreamObserver<ServerReflectionRequest> requests =
        ServerReflectionGrpc.newStub(channel(server))
            .serverReflectionInfo(
                new StreamObserver<>() {
                  @Override
                  public void onNext(ServerReflectionResponse answer) {
                    answers.add(answer);
                  }

                  @Override
                  public void onError(Throwable t) {}

                  @Override
                  public void onCompleted() {}
                });
    requests.onNext(ServerReflectionRequest.newBuilder().setListServices("").build());
    requests.onNext(
        ServerReflectionRequest.newBuilder()
            .setFileContainingSymbol("espalier.rewrite.v1.RewriteService")
            .build());
    ServerReflectionResponse list = poll(answers);
    ServerReflectionResponse file = poll(answers);
    requests.onCompleted();
    assertThat(list.getListServicesResponse().getServiceList())
        .extracting(service -> service.getName())
        .contains("espalier.rewrite.v1.RewriteService", "grpc.health.v1.Health");
    assertThat(file.getFileDescriptorResponse().getFileDescriptorProtoCount()).isPositive();
  }

  private static ServerReflectionResponse poll(LinkedBlockingQueue<ServerReflectionResponse> queue)
      throws InterruptedException {
    @Nullable ServerReflectionResponse answer = queue.poll(20, TimeUnit.SECONDS);
    assertThat(answer).isNotNull();
    return answer;
  }
}
