package io.espalier.inference;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;

import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.ModelSpec.TensorSpec;
import io.espalier.inference.onnx.OnnxGraph;
import io.espalier.inference.onnx.TestRepository;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What every {@link ModelRunner} does, over the same repository of tiny models. */
public abstract class ModelRunnerContract {
  private static final String ONE_INSTANCE = "instance_group { count: 1 kind: KIND_CPU }\n";
  private static final List<String> LOADED =
      List.of("affine", "impatient", "single", "lookup", "unbatched");

  @TempDir private static Path models;

  private RunnerUnderTest tested;
  private ModelRunner runner;

  /** A runner under test, and a hand on the engine behind it. */
  public interface RunnerUnderTest extends AutoCloseable {
    ModelRunner runner();

    /** Keeps an instance of the call's model busy until it is closed; returns when it is. */
    AutoCloseable hold(ModelCall call) throws Exception;

    /** Number of the runner's calls that wait or run; what holds instances is not among them. */
    int inFlight();

    /** Number of a model's calls that have come as far as the engine and wait there. */
    int queued(String model) throws Exception;

    @Override
    void close() throws Exception;
  }

  /** A runner over a repository, of which some models are loaded. */
  protected abstract RunnerUnderTest open(Path models, List<String> loaded) throws Exception;

  @BeforeAll
  static void write() {
    TestRepository repository = new TestRepository(models);
    repository.affine(
        "affine",
        ONE_INSTANCE
            + "dynamic_batching { priority_levels: 2 default_priority_level: 1"
            + " default_queue_policy { max_queue_size: 2 } }");
    repository.affine(
        "impatient",
        ONE_INSTANCE
            + "dynamic_batching { default_queue_policy { default_timeout_microseconds: 20000 } }");
    repository.affine("single", ONE_INSTANCE);
    repository.affine("unloaded", "");
    repository.lookup("lookup", 100, "dynamic_batching { preferred_batch_size: [ 4, 8 ] }");
    repository.model(
        "unbatched",
        new OnnxGraph()
            .input("x", DataType.INT32, 2, "n")
            .node("Neg", "y", "x")
            .output("y", DataType.INT32, 2, "n"),
        """
        input { name: "x" data_type: TYPE_INT32 dims: [ 2, -1 ] }
        output { name: "y" data_type: TYPE_INT32 dims: [ 2, -1 ] }
        """);
  }

  @BeforeEach
  void open() throws Exception {
    tested = open(models, LOADED);
    runner = tested.runner();
  }

  @AfterEach
  void close() throws Exception {
    // Null where the engine is missing and the test is skipped.
    if (tested != null) {
      tested.close();
    }
  }

  @Test
  void load_folderFromElsewhere_servesItByItsNameUntilUnloaded(@TempDir Path elsewhere) {
    Path folder =
        new TestRepository(elsewhere)
            .affine(
                "guest",
                """
                instance_group { count: 1 kind: KIND_CPU }
                dynamic_batching { preferred_batch_size: [ 4 ] max_queue_delay_microseconds: 100 }
                model_warmup {
                  name: "one" batch_size: 1
                  inputs { key: "x" value { data_type: TYPE_FP32 dims: [ 2 ] zero_data: true } }
                }
                """);

    runner.load(folder);

    ModelCall call =
        new ModelCall("guest", Map.of("x", Tensor.ofFloats(new float[] {3, 4}, 1, 2)), soon());
    assertThat(floats(runner.infer(call).join(), "y")).containsExactly(7, 9);
    runner.unload("guest");
    assertThat(runner.isReady("guest")).isFalse();
  }

  @Test
  void load_noModel_fails(@TempDir Path elsewhere) {
    assertThat(catchThrowable(() -> runner.load(elsewhere.resolve("nothing"))))
        .isInstanceOfSatisfying(
            ModelException.class, e -> assertThat(e.reason()).isEqualTo(Reason.NOT_READY));
  }

  @Test
  void infer_rows_givesTheirOutputs() {
    Map<String, Tensor> outputs = runner.infer(affine(2, 1, 2, 3, 4)).join();

    assertThat(outputs).containsOnlyKeys("y");
    assertThat(tensor(outputs, "y").shape()).containsExactly(2, 2);
    assertThat(floats(outputs, "y")).containsExactly(3, 5, 7, 9);
  }

  @Test
  void infer_severalOutputs_givesEachByName() {
    Map<String, Tensor> outputs = runner.infer(lookup(1, 7, 99)).join();

    assertThat(floats(outputs, "vectors")).containsExactly(7, 7.25f, -7, 99, 99.25f, -99);
    assertThat(longs(outputs, "next")).containsExactly(8, 100);
  }

  @Test
  void infer_modelWithoutBatchDimension_takesItsOwnShape() {
    Tensor x =
        Tensor.wrap(
            DataType.INT32,
            Tensor.allocate(DataType.INT32, 2, 3).putInt(0, 5).putInt(20, -6),
            2,
            3);

    Tensor y = tensor(runner.infer(new ModelCall("unbatched", Map.of("x", x), soon())).join(), "y");

    assertThat(y.type()).isEqualTo(DataType.INT32);
    assertThat(y.shape()).containsExactly(2, 3);
    assertThat(y.data().getInt(0)).isEqualTo(-5);
    assertThat(y.data().getInt(20)).isEqualTo(6);
  }

  @Test
  void infer_directBuffer_isTakenToo() {
    ByteBuffer direct = ByteBuffer.allocateDirect(8).order(ByteOrder.nativeOrder()).putFloat(4, 1);
    Tensor x = Tensor.wrap(DataType.FP32, direct, 1, 2);

    Map<String, Tensor> outputs =
        runner.infer(new ModelCall("affine", Map.of("x", x), soon())).join();

    assertThat(floats(outputs, "y")).containsExactly(1, 3);
  }

  @Test
  void infer_noDeadline_isServed() {
    ModelCall call =
        new ModelCall("affine", Map.of("x", Tensor.ofFloats(new float[1], 1, 1)), Long.MAX_VALUE);

    assertThat(floats(runner.infer(call).join(), "y")).containsExactly(1);
  }

  @Test
  void infer_unknownModel_saysSo() {
    assertThat(refusal(new ModelCall("nobody", Map.of(), soon()))).isEqualTo(Reason.UNKNOWN_MODEL);
  }

  @Test
  void infer_unloadedModel_isNotReady() {
    assertThat(refusal(new ModelCall("unloaded", Map.of(), soon()))).isEqualTo(Reason.NOT_READY);
  }

  @Test
  void infer_inputsThatDoNotFit_areInvalid() {
    Tensor fine = Tensor.ofFloats(new float[2], 1, 2);
    for (Map<String, Tensor> inputs :
        List.of(
            Map.<String, Tensor>of(),
            Map.of("z", fine),
            Map.of("x", fine, "z", fine),
            Map.of("x", Tensor.ofLongs(new long[2], 1, 2)),
            Map.of("x", Tensor.ofFloats(new float[2], 2)),
            Map.of("x", Tensor.ofFloats(new float[0], 0, 2)),
            Map.of("x", Tensor.ofFloats(new float[18], 9, 2)))) {
      assertThat(refusal(new ModelCall("affine", inputs, soon())))
          .as("%s", inputs)
          .isEqualTo(Reason.INVALID_INPUT);
    }
  }

  @Test
  void infer_valuesThatFailTheGraph_fail() {
    assertThat(refusal(lookup(1, 100))).isEqualTo(Reason.FAILED);
    assertThat(longs(runner.infer(lookup(1, 5)).join(), "next")).containsExactly(6);
  }

  @Test
  void infer_fullQueue_isRefused() throws Exception {
    List<CompletableFuture<Map<String, Tensor>>> calls = new ArrayList<>();
    List<Integer> accepted;
    try (AutoCloseable held = tested.hold(affine(1, 0))) {
      for (int i = 0; i < 64; i++) {
        calls.add(runner.infer(affine(1, i)));
      }
      await()
          .until(
              () ->
                  tested.inFlight() + calls.stream().filter(CompletableFuture::isDone).count()
                      == calls.size());
      accepted =
          IntStream.range(0, calls.size()).filter(i -> !calls.get(i).isDone()).boxed().toList();
    }
    assertThat(accepted).hasSizeBetween(2, calls.size() - 1);
    for (int i = 0; i < calls.size(); i++) {
      if (accepted.contains(i)) {
        assertThat(floats(calls.get(i).join(), "y")).containsExactly(2 * i + 1);
      } else {
        assertThat(reason(calls.get(i))).isEqualTo(Reason.QUEUE_FULL);
      }
    }
  }

  @Test
  void infer_deadlineAlreadyPassed_isRefused() {
    ModelCall late =
        new ModelCall(
            "affine",
            Map.of("x", Tensor.ofFloats(new float[2], 1, 2)),
            System.nanoTime() - TimeUnit.MILLISECONDS.toNanos(1));

    assertThat(refusal(late)).isEqualTo(Reason.EXPIRED);
  }

  @Test
  void infer_deadlinePassesInTheQueue_expiresWhileTheModelIsStillBusy() throws Exception {
    try (AutoCloseable held = tested.hold(affine(1, 0))) {
      ModelCall call =
          new ModelCall(
              "affine",
              Map.of("x", Tensor.ofFloats(new float[2], 1, 2)),
              System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(20));

      assertThat(refusal(call)).isEqualTo(Reason.EXPIRED);
      await().until(() -> tested.inFlight() == 0);
    }
  }

  @Test
  void infer_queueTimeoutPasses_expires() throws Exception {
    CompletableFuture<Map<String, Tensor>> late;
    try (AutoCloseable held = tested.hold(call("impatient", 1, 0))) {
      late = runner.infer(call("impatient", 1, 1));
      await().until(() -> late.isDone() || tested.queued("impatient") == 1);
      // Longer than the queue's timeout. An engine may say so only when the model is free again.
      Thread.sleep(50);
    }
    assertThat(reason(late)).isEqualTo(Reason.EXPIRED);
  }

  @Test
  void cancel_waitingCall_leavesTheQueue() throws Exception {
    List<CompletableFuture<Map<String, Tensor>>> calls = new ArrayList<>();
    try (AutoCloseable held = tested.hold(call("single", 1, 0))) {
      for (int i = 0; i < 5; i++) {
        calls.add(runner.infer(call("single", 1, i)));
      }
      await().until(() -> tested.inFlight() == 5);

      assertThat(calls.get(3).cancel(true)).isTrue();

      await().until(() -> tested.inFlight() == 4);
    }
    for (int i : new int[] {0, 1, 2, 4}) {
      assertThat(floats(calls.get(i).join(), "y")).containsExactly(2 * i + 1);
    }
    assertThat(calls.get(3)).isCancelled();
  }

  /** Calls that end one after the other may be told of in another order, so it is of many. */
  @Test
  void infer_priorities_urgentCallsGoFirst() throws Exception {
    int ordinary = 20;
    List<String> order = new CopyOnWriteArrayList<>();
    CompletableFuture<?> all;
    try (AutoCloseable held = tested.hold(call("single", 1, 0))) {
      // What an engine takes beyond the instance's own, and then keeps the order of.
      List<CompletableFuture<?>> calls = new ArrayList<>();
      calls.add(runner.infer(call("single", 1, 0)));
      calls.add(runner.infer(call("single", 1, 0)));
      for (int n = 0; n < ordinary; n++) {
        calls.add(
            runner
                .infer(new ModelCall("single", wide(2), soon(), 1))
                .thenRun(() -> order.add("ordinary")));
      }
      await().until(() -> tested.inFlight() == 2 + ordinary);
      calls.add(
          runner
              .infer(new ModelCall("single", wide(2), soon(), 0))
              .thenRun(() -> order.add("urgent")));
      await().until(() -> tested.inFlight() == 3 + ordinary);
      all = CompletableFuture.allOf(calls.toArray(CompletableFuture[]::new));
    }
    all.join();
    assertThat(order).hasSize(1 + ordinary);
    assertThat(order.indexOf("urgent")).as("its place in %s", order).isLessThan(ordinary / 4);
  }

  @Test
  void infer_randomCallsAtOnce_eachGetsItsOwnRows() throws Exception {
    long seed = ThreadLocalRandom.current().nextLong();
    System.out.println(getClass().getSimpleName() + " seed: " + seed);
    try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
      List<Future<?>> clients = new ArrayList<>();
      for (int client = 0; client < 8; client++) {
        Random random = new Random(seed + client);
        clients.add(
            threads.submit(
                () -> {
                  for (int i = 0; i < 100; i++) {
                    int rows = 1 + random.nextInt(8);
                    int width = 1 + random.nextInt(3);
                    long[] ids = random.longs((long) rows * width, 0, 100).toArray();
                    Map<String, Tensor> outputs = runner.infer(lookup(rows, ids)).join();
                    float[] vectors = floats(outputs, "vectors");
                    long[] next = longs(outputs, "next");
                    for (int j = 0; j < ids.length; j++) {
                      assertThat(next[j]).as("seed %d", seed).isEqualTo(ids[j] + 1);
                      assertThat(vectors[3 * j + 1]).isEqualTo(ids[j] + .25f);
                    }
                  }
                }));
      }
      for (Future<?> client : clients) {
        client.get();
      }
    }
    await().until(() -> tested.inFlight() == 0);
  }

  @Test
  void spec_model_isWhatItsConfigurationDeclares() {
    assertThat(runner.spec("lookup"))
        .isEqualTo(
            new ModelSpec(
                "lookup",
                16,
                List.of(new TensorSpec("ids", DataType.INT64, List.of(-1L))),
                List.of(
                    new TensorSpec("vectors", DataType.FP32, List.of(-1L, 3L)),
                    new TensorSpec("next", DataType.INT64, List.of(-1L)))));
  }

  @Test
  void spec_unknownModel_saysSo() {
    assertThat(catchThrowable(() -> runner.spec("nobody")))
        .isInstanceOfSatisfying(
            ModelException.class, e -> assertThat(e.reason()).isEqualTo(Reason.UNKNOWN_MODEL));
  }

  @Test
  void isReady_loadedModelsOnly() {
    assertThat(runner.isReady("affine")).isTrue();
    assertThat(runner.isReady("unloaded")).isFalse();
    assertThat(runner.isReady("nobody")).isFalse();
  }

  @Test
  void close_furtherCalls_areNotReady() {
    runner.close();

    assertThat(refusal(affine(1, 1))).isEqualTo(Reason.NOT_READY);
    assertThat(runner.isReady("affine")).isFalse();
    assertThat(catchThrowable(() -> runner.spec("affine"))).isInstanceOf(ModelException.class);
  }

  private static Map<String, Tensor> wide(int width) {
    return Map.of("x", Tensor.ofFloats(new float[width], 1, width));
  }

  private static ModelCall affine(int rows, float... x) {
    return call("affine", rows, x);
  }

  private static ModelCall call(String model, int rows, float... x) {
    return new ModelCall(model, Map.of("x", Tensor.ofFloats(x, rows, x.length / rows)), soon());
  }

  private static ModelCall lookup(int rows, long... ids) {
    return new ModelCall(
        "lookup", Map.of("ids", Tensor.ofLongs(ids, rows, ids.length / rows)), soon());
  }

  private static long soon() {
    return System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
  }

  private Reason refusal(ModelCall call) {
    return reason(runner.infer(call));
  }

  private static Reason reason(CompletableFuture<?> result) {
    Throwable error = catchThrowable(result::join);
    assertThat(error).isInstanceOf(CompletionException.class);
    Throwable cause = requireNonNull(error.getCause());
    assertThat(cause).isInstanceOf(ModelException.class);
    return ((ModelException) cause).reason();
  }

  private static Tensor tensor(Map<String, Tensor> outputs, String name) {
    return requireNonNull(outputs.get(name), name);
  }

  private static float[] floats(Map<String, Tensor> outputs, String name) {
    FloatBuffer floats = tensor(outputs, name).floats();
    float[] values = new float[floats.remaining()];
    floats.get(values);
    return values;
  }

  private static long[] longs(Map<String, Tensor> outputs, String name) {
    LongBuffer longs = tensor(outputs, name).longs();
    long[] values = new long[longs.remaining()];
    longs.get(values);
    return values;
  }
}
