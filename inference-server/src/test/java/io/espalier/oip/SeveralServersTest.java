package io.espalier.oip;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;

import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.Tensor;
import io.espalier.inference.embedded.Hold;
import io.espalier.inference.oip.v2.GRPCInferenceServiceGrpc;
import io.espalier.inference.onnx.TestRepository;
import io.espalier.inference.triton.TritonModelRunner;
import io.espalier.inference.triton.TritonSettings;
import io.espalier.oip.InferenceSettings.Control;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.Context;
import io.grpc.InsecureChannelCredentials;
import io.grpc.MethodDescriptor;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.sdk.metrics.SdkMeterProvider;
import io.opentelemetry.sdk.metrics.data.HistogramPointData;
import io.opentelemetry.sdk.metrics.data.LongPointData;
import io.opentelemetry.sdk.metrics.data.MetricData;
import io.opentelemetry.sdk.testing.exporter.InMemoryMetricReader;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The client of Triton over several servers, which come, go, hang and return. */
class SeveralServersTest {
  private static final String ONE = "instance_group { count: 1 kind: KIND_CPU }\n";
  private static final Duration SOON = Duration.ofMinutes(2);
  private static final int IN_A_ROW = 20;

  @TempDir private Path models;
  @TempDir private Path elsewhere;
  private final List<AutoCloseable> open = new ArrayList<>();
  private final InMemoryMetricReader metrics = InMemoryMetricReader.create();
  private Node a;
  private Node b;
  private NamedServers names;

  /** A server and the way to it. */
  private record Node(ServedEngine served, Relay relay) {
    long rows(String model) {
      return served.engine().statistics(model).rows();
    }
  }

  @BeforeEach
  void start() throws IOException {
    new TestRepository(models).affine("affine", ONE);
    a = node();
    b = node();
    names = keep(new NamedServers(a.relay().address(), b.relay().address()));
  }

  private Node node() throws IOException {
    ServedEngine served = keep(ServedEngine.of(models, Control.EXPLICIT));
    served.engine().load("affine");
    return new Node(served, keep(new Relay(served.target())));
  }

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable each : open.reversed()) {
      each.close();
    }
  }

  private <T extends AutoCloseable> T keep(T closeable) {
    open.add(closeable);
    return closeable;
  }

  private TritonModelRunner runner() {
    SdkMeterProvider provider = SdkMeterProvider.builder().registerMetricReader(metrics).build();
    TritonModelRunner runner =
        TritonModelRunner.connect(
            new TritonSettings(
                List.of(names.target()),
                InsecureChannelCredentials.create(),
                TritonSettings.KEEP_ALIVE),
            provider.get("test"));
    keep(runner);
    return runner;
  }

  @Test
  void load_severalServers_givesItToEach() {
    TritonModelRunner runner = runner();
    runner.load(guest());

    assertThat(a.served().engine().isReady("guest")).isTrue();
    assertThat(b.served().engine().isReady("guest")).isTrue();

    runner.unload("guest");
    assertThat(a.served().engine().isReady("guest")).isFalse();
    assertThat(b.served().engine().isReady("guest")).isFalse();
  }

  @Test
  void infer_oneServerBusy_goesToTheOther() {
    TritonModelRunner runner = runner();
    ready(runner, "affine", 2);
    try (Hold held = new Hold(a.served().engine(), call("affine", 0))) {
      long before = b.rows("affine");
      // One may be sent to the busy server before it is known to be.
      CompletableFuture<?> stuck = runner.infer(call("affine", 0));
      CompletableFuture<?> other = runner.infer(call("affine", 0));
      await().atMost(SOON).until(() -> stuck.isDone() || other.isDone());
      for (int i = 0; i < 20; i++) {
        assertThat(value(runner.infer(call("affine", i)))).isEqualTo(2 * i + 1);
      }
      assertThat(b.rows("affine") - before).isGreaterThanOrEqualTo(20);
    }
  }

  /** Calls under way on the lost server are sent to the other, and none waits for it. */
  @Test
  void infer_serverLostUnderLoad_failsNoCall() throws Exception {
    TritonModelRunner runner = runner();
    runner.load(guest());
    try (Load load = new Load(runner, "guest", 8)) {
      load.awaitAnswers(200);
      for (int round = 0; round < 5; round++) {
        Node lost = round % 2 == 0 ? a : b;
        lost.relay().cut();
        // It starts again without what it was given.
        lost.served().engine().unload("guest");
        load.awaitAnswers(200);
        lost.relay().mend();
        await().atMost(SOON).until(() -> lost.served().engine().isReady("guest"));
        long served = lost.rows("guest");
        await().atMost(SOON).until(() -> lost.rows("guest") > served + 50);
      }
      assertThat(load.failures).hasValue(0);
      System.out.printf("%d calls, none failed, 5 times a server was lost%n", load.answers.get());
    }
  }

  @Test
  void infer_serversNameChanges_followsAtOnce() throws Exception {
    names.become(a.relay().address());
    TritonModelRunner runner = runner();
    runner.load(guest());
    assertThat(b.served().engine().isReady("guest")).isFalse();
    try (Load load = new Load(runner, "guest", 8)) {
      load.awaitAnswers(100);

      long start = System.nanoTime();
      names.become(a.relay().address(), b.relay().address());
      await()
          .pollInterval(Duration.ofMillis(2))
          .atMost(SOON)
          .until(() -> b.served().engine().isReady("guest") && b.rows("guest") > 0);
      System.out.printf(
          "a new server had its model and calls after %.0f ms%n",
          (System.nanoTime() - start) / 1e6);

      names.become(b.relay().address());
      await().atMost(SOON).until(() -> a.served().engine().inFlight() == 0);
      load.awaitAnswers(100);
      long last = a.rows("guest");
      load.awaitAnswers(100);
      assertThat(a.rows("guest")).isEqualTo(last);
      assertThat(load.failures).hasValue(0);
    }
  }

  /** A server that keeps its connection and says nothing is found by what expires there. */
  @Test
  void infer_serverHangs_isPassedOverUntilItAnswers() throws Exception {
    TritonModelRunner runner = runner();
    ready(runner, "affine", 2);
    a.relay().holdUp(true);
    AtomicInteger expired = new AtomicInteger();
    // Were it still asked, every other call would expire there.
    await()
        .atMost(SOON)
        .until(
            () -> {
              for (int i = 0; i < IN_A_ROW; i++) {
                CompletableFuture<?> call = runner.infer(call("affine", 1, 200));
                if (catchThrowable(call::join) != null) {
                  expired.incrementAndGet();
                  return false;
                }
              }
              return true;
            });
    System.out.printf("%d calls expired at a server that hangs%n", expired.get());
    assertThat(expired.get()).isPositive();

    a.relay().holdUp(false);
    long before = a.rows("affine");
    await()
        .atMost(SOON)
        .until(
            () -> {
              runner.infer(call("affine", 1)).join();
              return a.rows("affine") > before + 10;
            });
  }

  @Test
  void infer_noServerLeft_isRefusedAtOnceAndServedWhenOneIsBack() throws Exception {
    TritonModelRunner runner = runner();
    ready(runner, "affine", 2);
    a.relay().cut();
    b.relay().cut();

    await().atMost(SOON).until(() -> !runner.isReady("affine"));
    // Not when its deadline passes.
    assertThat(reason(runner.infer(call("affine", 1)))).isEqualTo(Reason.NOT_READY);
    assertThat(runner.inFlight()).isZero();

    b.relay().mend();
    await().atMost(SOON).until(() -> runner.isReady("affine"));
    assertThat(value(runner.infer(call("affine", 3)))).isEqualTo(7);
  }

  @Test
  void load_noServerYet_waitsForOne() throws Exception {
    a.relay().cut();
    b.relay().cut();
    TritonModelRunner runner = runner();
    CompletableFuture<Void> loading =
        CompletableFuture.runAsync(
            () -> runner.load(guest()), task -> Thread.ofVirtual().start(task));
    Thread.sleep(200);
    assertThat(loading).isNotDone();

    a.relay().mend();

    loading.get(2, TimeUnit.MINUTES);
    assertThat(value(runner.infer(call("guest", 1)))).isEqualTo(3);
  }

  /** As when the load takes the server's process with it, or somebody starts it again. */
  @Test
  void load_serverLostMeanwhile_givesItWhenItIsBack() throws Exception {
    names.become(a.relay().address());
    Semaphore loads = new Semaphore(0);
    TritonModelRunner runner = stuckInLoads(loads);
    CompletableFuture<Void> loading = startLoad(runner);
    loads.acquire();

    a.relay().cut();
    a.relay().holdUp(false);
    Thread.sleep(200);
    assertThat(loading).isNotDone();
    a.relay().mend();
    loads.acquire();
    a.relay().holdUp(false);

    loading.get(2, TimeUnit.MINUTES);
    assertThat(value(runner.infer(call("guest", 1)))).isEqualTo(3);
  }

  @Test
  void load_serverLostForGood_fails() throws Exception {
    names.become(a.relay().address());
    Semaphore loads = new Semaphore(0);
    CompletableFuture<Void> loading = startLoad(stuckInLoads(loads));
    loads.acquire();

    a.relay().cut();

    assertThat(catchThrowable(() -> loading.get(2, TimeUnit.MINUTES)))
        .hasCauseInstanceOf(ModelException.class)
        .hasMessageContaining("no server answers");
  }

  @Test
  void load_serverLostTwiceMeanwhile_failsAndIsGivenNoMore() throws Exception {
    names.become(a.relay().address());
    Semaphore loads = new Semaphore(0);
    CompletableFuture<Void> loading = startLoad(stuckInLoads(loads));
    for (int i = 0; i < 2; i++) {
      loads.acquire();
      a.relay().cut();
      a.relay().holdUp(false);
      Thread.sleep(200);
      a.relay().mend();
    }

    assertThat(catchThrowable(() -> loading.get(2, TimeUnit.MINUTES)))
        .hasCauseInstanceOf(ModelException.class)
        .hasMessageContaining("a server was lost twice");
    assertThat(loads.tryAcquire(2, TimeUnit.SECONDS)).isFalse();
  }

  /** A runner whose loads do not get through before the way is free again. */
  private TritonModelRunner stuckInLoads(Semaphore begun) {
    ClientInterceptor interceptor =
        new ClientInterceptor() {
          @Override
          public <Q, R> ClientCall<Q, R> interceptCall(
              MethodDescriptor<Q, R> method, CallOptions options, Channel next) {
            if (method.equals(GRPCInferenceServiceGrpc.getRepositoryModelLoadMethod())) {
              a.relay().holdUp(true);
              begun.release();
            }
            return next.newCall(method, options);
          }
        };
    return keep(
        TritonModelRunner.connect(
            new TritonSettings(
                List.of(names.target()),
                InsecureChannelCredentials.create(),
                TritonSettings.KEEP_ALIVE,
                Duration.ZERO,
                List.of(interceptor)),
            OpenTelemetry.noop().getMeter("test")));
  }

  private CompletableFuture<Void> startLoad(TritonModelRunner runner) {
    Path guest = guest();
    return CompletableFuture.runAsync(
        () -> runner.load(guest), task -> Thread.ofVirtual().start(task));
  }

  @Test
  void unload_withADelay_leavesItForOthersMeanwhile() {
    TritonModelRunner runner =
        keep(
            TritonModelRunner.connect(
                new TritonSettings(
                    List.of(names.target()),
                    InsecureChannelCredentials.create(),
                    TritonSettings.KEEP_ALIVE,
                    Duration.ofMillis(300),
                    List.of()),
                OpenTelemetry.noop().getMeter("test")));
    runner.load(guest());

    runner.unload("guest");

    assertThat(a.served().engine().isReady("guest")).isTrue();
    await().atMost(SOON).until(() -> !a.served().engine().isReady("guest"));
    assertThat(b.served().engine().isReady("guest")).isFalse();
  }

  /** Another client frees a model that this one still asks. */
  @Test
  void infer_modelTakenAway_isGivenAgain() {
    TritonModelRunner runner = runner();
    runner.load(guest());
    a.served().engine().unload("guest");
    for (int i = 0; i < 20; i++) {
      assertThat(value(runner.infer(call("guest", i)))).isEqualTo(2 * i + 1);
    }
    await().atMost(SOON).until(() -> a.served().engine().isReady("guest"));
  }

  @Test
  void metrics_callsOfSeveralServers_areThoseOfTheEmbeddedEngine() {
    TritonModelRunner runner = runner();
    ready(runner, "affine", 2);
    await()
        .atMost(SOON)
        .until(
            () -> {
              for (int i = 0; i < 20; i++) {
                runner.infer(call("affine", i)).join();
              }
              return runs("espalier.inference.batch.size") >= 40;
            });
    assertThat(runs("espalier.inference.compute.time")).isGreaterThanOrEqualTo(40);
    assertThat(runs("espalier.inference.queue.time")).isGreaterThanOrEqualTo(40);
    assertThat(counted("espalier.inference.queue.depth")).isZero();

    runner.infer(call("affine", 1, -1)).exceptionally(e -> Map.of()).join();
    assertThat(counted("espalier.inference.refusals")).isEqualTo(1);
    try (Hold heldA = new Hold(a.served().engine(), call("affine", 0));
        Hold heldB = new Hold(b.served().engine(), call("affine", 0))) {
      List<CompletableFuture<?>> calls = new ArrayList<>();
      for (int i = 0; i < 10; i++) {
        calls.add(runner.infer(call("affine", i)));
      }
      // Two a server: the one that runs and the one that runs next.
      await().atMost(SOON).until(() -> counted("espalier.inference.queue.depth") == 6);
      calls.forEach(call -> call.cancel(true));
      assertThat(counted("espalier.inference.cancellations")).isEqualTo(10);
    }
  }

  /** Who hangs up did not see a failure, whoever hears of it first: gRPC, or who made the call. */
  @Test
  void infer_requestCancelled_isACancellationAndNoFailure() {
    TritonModelRunner runner = runner();
    ready(runner, "affine", 2);
    Context.CancellableContext request = Context.current().withCancellation();
    List<CompletableFuture<Map<String, Tensor>>> calls = new ArrayList<>();
    try (Hold heldA = new Hold(a.served().engine(), call("affine", 0));
        Hold heldB = new Hold(b.served().engine(), call("affine", 0))) {
      request.run(
          () -> {
            for (int i = 0; i < 10; i++) {
              calls.add(runner.infer(call("affine", i)));
            }
          });
      await().atMost(SOON).until(() -> counted("espalier.inference.queue.depth") == 6);
      long rows = a.rows("affine") + b.rows("affine");

      request.cancel(null);

      // What waited follows what was at the servers, which it does not reach.
      await().atMost(SOON).until(() -> calls.stream().allMatch(CompletableFuture::isDone));
      assertThat(calls).allMatch(CompletableFuture::isCancelled);
      assertThat(counted("espalier.inference.cancellations")).isEqualTo(10);
      assertThat(counted("espalier.inference.refusals")).isZero();
      assertThat(a.rows("affine") + b.rows("affine")).isEqualTo(rows);
    }
    assertThat(value(runner.infer(call("affine", 3)))).isEqualTo(7);
  }

  private long runs(String metric) {
    return find(metric)
        .map(
            data ->
                data.getHistogramData().getPoints().stream()
                    .mapToLong(HistogramPointData::getCount)
                    .sum())
        .orElse(0L);
  }

  private long counted(String metric) {
    return find(metric)
        .map(
            data ->
                data.getData().getPoints().stream()
                    .mapToLong(point -> ((LongPointData) point).getValue())
                    .sum())
        .orElse(0L);
  }

  private Optional<MetricData> find(String metric) {
    return metrics.collectAllMetrics().stream()
        .filter(data -> data.getName().equals(metric))
        .findFirst();
  }

  /** Waits until as many servers take a model's calls. */
  private void ready(TritonModelRunner runner, String model, int servers) {
    await().atMost(SOON).until(() -> runner.isReady(model));
    await()
        .atMost(SOON)
        .until(
            () -> {
              List<CompletableFuture<?>> calls = new ArrayList<>();
              for (int i = 0; i < 8; i++) {
                calls.add(runner.infer(call(model, i)));
              }
              calls.forEach(CompletableFuture::join);
              return servers < 2 || (a.rows(model) > 0 && b.rows(model) > 0);
            });
  }

  private Path guest() {
    return new TestRepository(elsewhere).affine("guest", ONE);
  }

  /** Clients that ask one after another until told to stop, each call with time for another try. */
  private static final class Load implements AutoCloseable {
    final AtomicInteger answers = new AtomicInteger();
    final AtomicInteger failures = new AtomicInteger();
    private final AtomicBoolean stopped = new AtomicBoolean();
    private final List<Thread> clients = new ArrayList<>();

    Load(TritonModelRunner runner, String model, int threads) {
      for (int t = 0; t < threads; t++) {
        clients.add(Thread.ofVirtual().start(() -> ask(runner, model)));
      }
    }

    private void ask(TritonModelRunner runner, String model) {
      for (int i = 0; !stopped.get(); i++) {
        try {
          float y = value(runner.infer(call(model, i % 100)));
          if (y != 2 * (i % 100) + 1) {
            failures.incrementAndGet();
          }
          answers.incrementAndGet();
        } catch (CompletionException e) {
          System.out.println("failed: " + e.getCause());
          failures.incrementAndGet();
        }
      }
    }

    void awaitAnswers(int more) {
      int from = answers.get();
      await().atMost(SOON).until(() -> answers.get() > from + more);
    }

    @Override
    public void close() throws InterruptedException {
      stopped.set(true);
      for (Thread client : clients) {
        client.join();
      }
    }
  }

  private static ModelCall call(String model, float x) {
    return call(model, x, 60_000);
  }

  private static ModelCall call(String model, float x, int millis) {
    return new ModelCall(
        model,
        Map.of("x", Tensor.ofFloats(new float[] {x}, 1, 1)),
        System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(millis));
  }

  private static float value(CompletableFuture<Map<String, Tensor>> call) {
    return requireNonNull(call.join().get("y")).floats().get(0);
  }

  private static Reason reason(CompletableFuture<?> result) {
    Throwable error = catchThrowable(result::join);
    return ((ModelException) requireNonNull(error.getCause())).reason();
  }
}
