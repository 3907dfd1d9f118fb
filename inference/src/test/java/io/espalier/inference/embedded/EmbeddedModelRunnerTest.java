package io.espalier.inference.embedded;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;

import io.espalier.inference.DataType;
import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.Tensor;
import io.espalier.inference.onnx.OnnxGraph;
import io.espalier.inference.onnx.TestRepository;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.sdk.common.CompletableResultCode;
import io.opentelemetry.sdk.metrics.InstrumentType;
import io.opentelemetry.sdk.metrics.SdkMeterProvider;
import io.opentelemetry.sdk.metrics.data.AggregationTemporality;
import io.opentelemetry.sdk.metrics.data.MetricData;
import io.opentelemetry.sdk.metrics.export.CollectionRegistration;
import io.opentelemetry.sdk.metrics.export.MetricReader;
import java.io.IOException;
import java.nio.LongBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class EmbeddedModelRunnerTest {
  private static final String BATCHED =
      """
      instance_group { count: 2 }
      dynamic_batching {
        preferred_batch_size: [ 4, 8 ]
        max_queue_delay_microseconds: 200
      }
      """;

  private TestRepository repository = new TestRepository(Path.of(""));

  @BeforeEach
  void makeRepository(@TempDir Path models) {
    repository = new TestRepository(models);
  }

  @Test
  void infer_thousandsOfRandomCalls_rowsAreRightAndNothingIsLeft() throws Exception {
    repository.lookup("lookup", 1000, BATCHED);
    long seed = ThreadLocalRandom.current().nextLong();
    System.out.println("infer_thousandsOfRandomCalls seed: " + seed);
    try (EmbeddedModelRunner runner = new EmbeddedModelRunner(repository.path());
        ExecutorService threads = Executors.newFixedThreadPool(8)) {
      runner.load("lookup");
      List<Future<int[]>> clients = new ArrayList<>();
      for (int client = 0; client < 8; client++) {
        Random random = new Random(seed + client);
        clients.add(threads.submit(() -> randomCalls(runner, random, 1000)));
      }
      int[] outcomes = new int[4];
      for (Future<int[]> client : clients) {
        int[] counts = client.get();
        for (int i = 0; i < outcomes.length; i++) {
          outcomes[i] += counts[i];
        }
      }
      assertThat(outcomes[0] + outcomes[1] + outcomes[2] + outcomes[3]).isEqualTo(8000);
      assertThat(outcomes[0]).isGreaterThan(4000);
      await()
          .untilAsserted(
              () -> {
                assertThat(runner.inFlight()).isZero();
                assertThat(runner.watched()).isZero();
              });
    }
  }

  /** Counts of calls that were served, cancelled, expired and failed. */
  private static int[] randomCalls(EmbeddedModelRunner runner, Random random, int calls) {
    int[] outcomes = new int[4];
    List<Runnable> checks = new ArrayList<>();
    for (int i = 0; i < calls; i++) {
      int rows = 1 + random.nextInt(8);
      int width = 1 + 2 * random.nextInt(3);
      long[] ids = random.longs((long) rows * width, 0, 1000).toArray();
      int kind = random.nextInt(20);
      if (kind == 0) {
        ids[random.nextInt(ids.length)] = 1000;
      }
      long patience = kind == 1 ? random.nextInt(2_000_000) : TimeUnit.MINUTES.toNanos(10);
      CompletableFuture<Map<String, Tensor>> result =
          runner.infer(
              new ModelCall(
                  "lookup",
                  Map.of("ids", Tensor.ofLongs(ids, rows, width)),
                  System.nanoTime() + patience,
                  random.nextInt(3)));
      if (kind == 2) {
        result.cancel(true);
      }
      checks.add(() -> outcomes[outcome(result, ids, kind)]++);
      if (random.nextInt(8) == 0) {
        checks.forEach(Runnable::run);
        checks.clear();
      }
    }
    checks.forEach(Runnable::run);
    return outcomes;
  }

  private static int outcome(CompletableFuture<Map<String, Tensor>> result, long[] ids, int kind) {
    Throwable error = catchThrowable(result::join);
    if (error == null) {
      long[] next = longs(result.join(), "next");
      float[] vectors = new float[ids.length * 3];
      requireNonNull(result.join().get("vectors")).floats().get(vectors);
      assertThat(next).hasSameSizeAs(ids);
      for (int j = 0; j < ids.length; j++) {
        assertThat(next[j]).isEqualTo(ids[j] + 1);
        assertThat(vectors[3 * j]).isEqualTo((float) ids[j]);
        assertThat(vectors[3 * j + 1]).isEqualTo(ids[j] + .25f);
        assertThat(vectors[3 * j + 2]).isEqualTo((float) -ids[j]);
      }
      return 0;
    }
    if (result.isCancelled()) {
      assertThat(kind).isEqualTo(2);
      return 1;
    }
    Reason reason = ((ModelException) requireNonNull(error.getCause())).reason();
    // Too late as it came, or found out later.
    assertThat(reason)
        .isIn(kind == 0 ? List.of(Reason.FAILED) : List.of(Reason.EXPIRED, Reason.QUEUE_FULL));
    assertThat(kind).isIn(0, 1);
    return kind == 0 ? 3 : 2;
  }

  @Test
  void close_whileCallsRun_eachEndsWithItsRowsOrNotReady() throws Exception {
    repository.lookup("lookup", 100, BATCHED);
    for (int round = 0; round < 20; round++) {
      EmbeddedModelRunner runner = new EmbeddedModelRunner(repository.path());
      runner.load("lookup");
      AtomicInteger served = new AtomicInteger();
      try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
        CountDownLatch underWay = new CountDownLatch(40);
        List<Future<?>> clients = new ArrayList<>();
        for (int client = 0; client < 4; client++) {
          clients.add(threads.submit(() -> callUntilNotReady(runner, underWay, served)));
        }
        underWay.await();
        runner.close();
        for (Future<?> client : clients) {
          client.get();
        }
      }
      assertThat(served.get()).isGreaterThanOrEqualTo(40);
      assertThat(runner.inFlight()).isZero();
    }
  }

  private static void callUntilNotReady(
      EmbeddedModelRunner runner, CountDownLatch underWay, AtomicInteger served) {
    while (true) {
      CompletableFuture<Map<String, Tensor>> result = runner.infer(lookup(7, 8));
      Throwable error = catchThrowable(result::join);
      if (error != null) {
        assertThat(reason(error)).isEqualTo(Reason.NOT_READY);
        return;
      }
      assertThat(longs(result.join(), "next")).containsExactly(8, 9);
      served.incrementAndGet();
      underWay.countDown();
    }
  }

  @Test
  void unload_waitingCalls_areServedFirst() throws Exception {
    repository.affine("affine", "instance_group { count: 1 }");
    try (EmbeddedModelRunner runner = new EmbeddedModelRunner(repository.path());
        ExecutorService other = Executors.newSingleThreadExecutor()) {
      runner.load("affine");
      CompletableFuture<Map<String, Tensor>> waiting;
      Future<?> unloaded;
      try (Hold held = new Hold(runner, affine(1))) {
        waiting = runner.infer(affine(2));
        unloaded = other.submit(() -> runner.unload("affine"));
        await().until(() -> !runner.isReady("affine"));
        assertThat(held).isNotNull();
      }
      unloaded.get();

      assertThat(floats(waiting.join(), "y")).containsExactly(5);
      assertThat(reason(runner.infer(affine(1)))).isEqualTo(Reason.NOT_READY);
      runner.load("affine");
      assertThat(floats(runner.infer(affine(4)).join(), "y")).containsExactly(9);
    }
  }

  @Test
  void close_waitingCalls_areRefused() {
    repository.affine("affine", "instance_group { count: 1 }");
    EmbeddedModelRunner runner = new EmbeddedModelRunner(repository.path());
    runner.load("affine");
    Hold held = new Hold(runner, affine(1));
    CompletableFuture<Map<String, Tensor>> waiting = runner.infer(affine(2));
    waiting.whenComplete((outputs, error) -> held.close()).exceptionally(error -> Map.of());

    runner.close();

    assertThat(reason(waiting)).isEqualTo(Reason.NOT_READY);
  }

  @Test
  void close_fromAContinuationOnAWorker_doesNotWaitForItself() {
    repository.affine("affine", "instance_group { count: 1 }");
    EmbeddedModelRunner runner = new EmbeddedModelRunner(repository.path());
    runner.load("affine");

    runner.infer(affine(1)).thenRun(runner::close).join();

    assertThat(runner.isReady("affine")).isFalse();
  }

  @Test
  void cancel_whileTheCallRuns_abandonsItsResult() {
    repository.affine("affine", "instance_group { count: 1 }");
    try (EmbeddedModelRunner runner = new EmbeddedModelRunner(repository.path())) {
      runner.load("affine");
      for (int i = 0; i < 200; i++) {
        CompletableFuture<Map<String, Tensor>> result = runner.infer(affine(i));
        Thread.onSpinWait();
        if (result.cancel(true)) {
          assertThat(result).isCancelled();
        }
      }
      assertThat(floats(runner.infer(affine(3)).join(), "y")).containsExactly(7);
      await().until(() -> runner.inFlight() == 0 && runner.watched() == 0);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          input { name: "z" data_type: TYPE_FP32 dims: -1 } | input z: not in the graph (expected: one of [x, w])
          input { name: "x" data_type: TYPE_FP32 dims: [ -1, 4 ] } | input w: declared nowhere
          input { name: "x" data_type: TYPE_INT64 dims: [ -1, 4 ] } | input x: INT64 (expected: FP32)
          input { name: "x" data_type: TYPE_FP32 dims: 4 } | input x: dims [4] (expected: the graph's [-1, 4])
          input { name: "x" data_type: TYPE_FP32 dims: [ -1, -1 ] } | input x: dims [-1, -1] (expected: the graph's [-1, 4])
          input { name: "x" data_type: TYPE_FP32 dims: [ -1, 5 ] } | input x: dims [-1, 5] (expected: the graph's [-1, 4])
          output { name: "y" data_type: TYPE_FP32 dims: [ -1, 3 ] } | output y: dims [-1, 3] (expected: the graph's [-1, 4])
          output { name: "q" data_type: TYPE_FP32 dims: [ -1, 4 ] } | output q: not in the graph (expected: one of [y])
          """)
  void load_declarationUnlikeTheGraph_namesTheTensor(String line, String message) {
    Path folder = repository.model("model", twoInputs("batch"), "max_batch_size: 4\n" + line);
    assertLoadFails(folder, message);
  }

  @Test
  void load_fixedBatchDimension_isRefusedWhereBatchesAreAllowed() {
    Path folder = repository.model("model", twoInputs(1), "max_batch_size: 4");
    assertLoadFails(folder, "(expected: a first dimension of any size, since max_batch_size is 4)");
  }

  @Test
  void load_nothingDeclared_takesTheGraphsOwnTensors() {
    repository.model("model", twoInputs("batch"), "max_batch_size: 4");
    try (EmbeddedModelRunner runner = new EmbeddedModelRunner(repository.path())) {
      runner.load("model");
      assertThat(runner.spec("model").inputs()).hasSize(2);
      assertThat(runner.spec("model").outputs().getFirst().dims()).containsExactly(-1L, 4L);
    }
  }

  @Test
  void load_notAGraph_namesTheFile() throws IOException {
    Path folder = repository.affine("model", "");
    Files.writeString(folder.resolve("1/model.onnx"), "no graph");
    assertLoadFails(folder, "1/model.onnx: ");
  }

  @Test
  void load_declaredWarmUpThatFails_failsTheLoad() throws IOException {
    Path folder =
        repository.lookup(
            "model",
            10,
            """
            model_warmup {
              name: "one"
              batch_size: 1
              inputs { key: "ids" value { data_type: TYPE_INT64 dims: 1 input_data_file: "ids" } }
            }
            """);
    Files.createDirectories(folder.resolve("warmup"));
    Files.write(folder.resolve("warmup/ids"), new byte[] {10, 0, 0, 0, 0, 0, 0, 0});
    assertLoadFails(folder, "idx=10 must be within");

    Files.write(folder.resolve("warmup/ids"), new byte[] {9, 0, 0, 0, 0, 0, 0, 0});
    try (EmbeddedModelRunner runner = new EmbeddedModelRunner(repository.path())) {
      runner.load("model");
      assertThat(runner.isReady("model")).isTrue();
    }
  }

  @Test
  void load_declaredWarmUpThatDoesNotFit_namesTheInput() {
    Path folder =
        repository.lookup(
            "model",
            10,
            """
            model_warmup {
              batch_size: 1
              inputs { key: "idx" value { data_type: TYPE_INT64 dims: 1 zero_data: true } }
            }
            """);
    assertLoadFails(folder, "model: ids: absent");
  }

  @Test
  void load_modelThatDoesNotRunOnZeros_isReadyAllTheSame() {
    repository.model(
        "model",
        new OnnxGraph()
            .input("ids", DataType.INT64, "batch")
            .constant("table", new float[] {1, 2}, 2)
            .constant("ten", new long[] {10}, 1)
            .node("Sub", "index", "ids", "ten")
            .node("Gather", "y", "table", "index")
            .output("y", DataType.FP32, "batch"),
        "max_batch_size: 4");
    try (EmbeddedModelRunner runner = new EmbeddedModelRunner(repository.path())) {
      runner.load("model");
      ModelCall call =
          new ModelCall("model", Map.of("ids", Tensor.ofLongs(new long[] {11}, 1)), soon());
      assertThat(floats(runner.infer(call).join(), "y")).containsExactly(2);
    }
  }

  @Test
  void load_outsideTheRepository_isUnknown() {
    repository.affine("model", "");
    try (EmbeddedModelRunner runner = new EmbeddedModelRunner(repository.path().resolve("model"))) {
      for (String name : List.of("../model", "..", "", ".", "1")) {
        assertThatThrownBy(() -> runner.load(name))
            .as(name)
            .isInstanceOfSatisfying(
                ModelException.class, e -> assertThat(e.reason()).isEqualTo(Reason.UNKNOWN_MODEL));
      }
    }
  }

  @Test
  void metrics_callsOfEachOutcome_areCounted() {
    repository.lookup(
        "lookup",
        10,
        "instance_group { count: 1 }\n"
            + "dynamic_batching { default_queue_policy { max_queue_size: 3 } }");
    Collector collector = new Collector();
    try (SdkMeterProvider meters =
            SdkMeterProvider.builder().registerMetricReader(collector).build();
        EmbeddedModelRunner runner =
            new EmbeddedModelRunner(repository.path(), meters.get("test"))) {
      runner.load("lookup");
      List<CompletableFuture<Map<String, Tensor>>> waiting = new ArrayList<>();
      try (Hold held = new Hold(runner, lookup(1))) {
        for (long id : new long[] {2, 3, 4}) {
          waiting.add(runner.infer(lookup(id)));
        }
        assertThat(reason(runner.infer(lookup(5)))).isEqualTo(Reason.QUEUE_FULL);
        assertThat(collector.value("espalier.inference.queue.depth")).isEqualTo(3);
        waiting.getLast().cancel(true);
        assertThat(held).isNotNull();
      }
      waiting.get(0).join();
      waiting.get(1).join();
      assertThat(reason(runner.infer(lookup(10)))).isEqualTo(Reason.FAILED);
      assertThat(reason(runner.infer(new ModelCall("lookup", Map.of(), soon()))))
          .isEqualTo(Reason.INVALID_INPUT);

      assertThat(collector.value("espalier.inference.queue.depth")).isZero();
      assertThat(collector.value("espalier.inference.cancellations")).isEqualTo(1);
      assertThat(collector.refusals())
          .isEqualTo(Map.of("queue_full", 1L, "failed", 1L, "invalid_input", 1L));
      MetricData rows = collector.metric("espalier.inference.batch.size");
      assertThat(rows.getHistogramData().getPoints().iterator().next().getMax()).isEqualTo(2);
      assertThat(collector.metric("espalier.inference.queue.time").getUnit()).isEqualTo("s");
      assertThat(collector.metric("espalier.inference.compute.time").getUnit()).isEqualTo("s");
    }
  }

  /** Reads the measurements when asked. */
  private static final class Collector implements MetricReader {
    private CollectionRegistration registration = CollectionRegistration.noop();

    @Override
    public void register(CollectionRegistration newRegistration) {
      this.registration = newRegistration;
    }

    @Override
    public CompletableResultCode forceFlush() {
      return CompletableResultCode.ofSuccess();
    }

    @Override
    public CompletableResultCode shutdown() {
      return CompletableResultCode.ofSuccess();
    }

    @Override
    public AggregationTemporality getAggregationTemporality(InstrumentType type) {
      return AggregationTemporality.CUMULATIVE;
    }

    MetricData metric(String name) {
      Collection<MetricData> all = registration.collectAllMetrics();
      return all.stream().filter(metric -> metric.getName().equals(name)).findFirst().orElseThrow();
    }

    long value(String name) {
      MetricData metric = metric(name);
      return metric.getLongGaugeData().getPoints().stream().findFirst().isPresent()
          ? metric.getLongGaugeData().getPoints().iterator().next().getValue()
          : metric.getLongSumData().getPoints().iterator().next().getValue();
    }

    Map<String, Long> refusals() {
      return metric("espalier.inference.refusals").getLongSumData().getPoints().stream()
          .filter(point -> point.getValue() > 0)
          .collect(
              Collectors.toMap(
                  point ->
                      requireNonNull(point.getAttributes().get(AttributeKey.stringKey("reason"))),
                  point -> point.getValue()));
    }
  }

  private void assertLoadFails(Path folder, String message) {
    try (EmbeddedModelRunner runner = new EmbeddedModelRunner(repository.path())) {
      String name = requireNonNull(folder.getFileName()).toString();
      assertThatThrownBy(() -> runner.load(name))
          .isInstanceOfSatisfying(
              ModelException.class,
              e -> assertThat(e.reason()).isIn(Reason.NOT_READY, Reason.INVALID_INPUT))
          .hasMessageContaining(message);
      assertThat(runner.isReady(name)).isFalse();
    }
  }

  private static OnnxGraph twoInputs(Object batch) {
    return new OnnxGraph()
        .input("x", DataType.FP32, batch, "n", 4)
        .input("w", DataType.FP32, batch, "n", 4)
        .node("Add", "y", "x", "w")
        .output("y", DataType.FP32, batch, "n", 4);
  }

  private static ModelCall affine(float x) {
    return new ModelCall("affine", Map.of("x", Tensor.ofFloats(new float[] {x}, 1, 1)), soon());
  }

  private static ModelCall lookup(long... ids) {
    return new ModelCall("lookup", Map.of("ids", Tensor.ofLongs(ids, 1, ids.length)), soon());
  }

  private static long soon() {
    return System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
  }

  private static Reason reason(CompletableFuture<?> result) {
    return reason(catchThrowable(result::join));
  }

  private static Reason reason(Throwable error) {
    return ((ModelException) requireNonNull(error.getCause())).reason();
  }

  private static float[] floats(Map<String, Tensor> outputs, String name) {
    float[] values = new float[requireNonNull(outputs.get(name)).floats().remaining()];
    requireNonNull(outputs.get(name)).floats().get(values);
    return values;
  }

  private static long[] longs(Map<String, Tensor> outputs, String name) {
    LongBuffer longs = requireNonNull(outputs.get(name)).longs();
    long[] values = new long[longs.remaining()];
    longs.get(values);
    return values;
  }
}
