package io.espalier.oip;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.awaitility.Awaitility.await;

import com.google.protobuf.ByteString;
import io.espalier.inference.DataType;
import io.espalier.inference.ModelCall;
import io.espalier.inference.Tensor;
import io.espalier.inference.embedded.Hold;
import io.espalier.inference.oip.v2.GRPCInferenceServiceGrpc;
import io.espalier.inference.oip.v2.InferParameter;
import io.espalier.inference.oip.v2.InferTensorContents;
import io.espalier.inference.oip.v2.ModelConfig;
import io.espalier.inference.oip.v2.ModelConfigRequest;
import io.espalier.inference.oip.v2.ModelInferRequest;
import io.espalier.inference.oip.v2.ModelInferRequest.InferInputTensor;
import io.espalier.inference.oip.v2.ModelInferResponse;
import io.espalier.inference.oip.v2.ModelRepositoryParameter;
import io.espalier.inference.oip.v2.ModelStatistics;
import io.espalier.inference.oip.v2.ModelStatisticsRequest;
import io.espalier.inference.oip.v2.ModelStreamInferResponse;
import io.espalier.inference.oip.v2.RepositoryIndexRequest;
import io.espalier.inference.oip.v2.RepositoryIndexResponse.ModelIndex;
import io.espalier.inference.oip.v2.RepositoryModelLoadRequest;
import io.espalier.inference.onnx.OnnxGraph;
import io.espalier.inference.onnx.TestRepository;
import io.espalier.oip.InferenceSettings.Control;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InferenceServiceTest {
  private static final String ONE = "instance_group { count: 1 kind: KIND_CPU }\n";

  @TempDir private Path dir = Path.of("");
  private final List<CompletableFuture<ModelInferResponse>> begun = new ArrayList<>();
  private Path models;
  private ServedEngine served;

  @BeforeEach
  void serve() throws Exception {
    models = dir.resolve("models");
    TestRepository repository = new TestRepository(models);
    repository.affine(
        "affine", ONE + "dynamic_batching { default_queue_policy { max_queue_size: 2 } }");
    repository.affine(
        "levels", ONE + "dynamic_batching { priority_levels: 3 default_priority_level: 2 }");
    repository.affine(
        "patient",
        ONE
            + "dynamic_batching { default_queue_policy {"
            + " default_timeout_microseconds: 60000000 allow_timeout_override: true } }");
    repository.lookup("lookup", 100, "");
    repository.model(
        "text",
        new OnnxGraph()
            .input("text", DataType.BYTES, "batch", "n")
            .node("Identity", "echo", "text")
            .output("echo", DataType.BYTES, "batch", "n"),
        """
        max_batch_size: 8
        dynamic_batching { preferred_batch_size: 4 max_queue_delay_microseconds: 1000 }
        """);
    served = ServedEngine.of(models, Control.EXPLICIT);
    for (String model : List.of("affine", "levels", "patient", "lookup", "text")) {
      served.engine().load(model);
    }
  }

  @AfterEach
  void close() {
    served.close();
  }

  @Test
  void modelInfer_fullQueue_isRefusedInTritonsWords() {
    try (Hold held = hold("affine")) {
      List<CompletableFuture<ModelInferResponse>> waiting =
          List.of(inBackground(affine("affine", 1)), inBackground(affine("affine", 2)));
      await().until(() -> served.engine().inFlight() == 2);

      Status refusal = refusal(affine("affine", 3).toBuilder().setId("third").build());

      assertThat(refusal.getCode()).isEqualTo(Status.Code.UNAVAILABLE);
      assertThat(refusal.getDescription())
          .isEqualTo("[request id: third] Exceeds maximum queue size");
      held.close();
      assertThat(waiting.get(1).join().getModelVersion()).isEqualTo("1");
    }
  }

  @Test
  void modelInfer_timeoutThatTheModelAllows_expiresInTheQueue() {
    try (Hold held = hold("patient")) {
      Status refusal = refusal(with(affine("patient", 1), "timeout", 20_000));

      assertThat(refusal.getCode()).isEqualTo(Status.Code.UNAVAILABLE);
      assertThat(refusal.getDescription()).isEqualTo("Request timeout expired");
      assertThat(held).isNotNull();
    }
  }

  @Test
  void modelInfer_timeoutThatTheModelDoesNotAllow_isIgnored() {
    try (Hold held = hold("affine")) {
      CompletableFuture<ModelInferResponse> answer =
          inBackground(with(affine("affine", 1), "timeout", 1));
      await().until(() -> served.engine().inFlight() == 1);
      // What expires is out of the queue before a call that came later expires.
      assertThat(refusalWithin(30, affine("affine", 2)).getCode())
          .isEqualTo(Status.Code.DEADLINE_EXCEEDED);
      held.close();

      assertThat(answer.join().getOutputsCount()).isEqualTo(1);
    }
  }

  @Test
  void modelInfer_deadlinePassesInTheQueue_leavesItWithoutARun() {
    try (Hold held = hold("affine")) {
      long before = served.engine().statistics("affine").runs();

      assertThat(refusalWithin(30, affine("affine", 2)).getCode())
          .isEqualTo(Status.Code.DEADLINE_EXCEEDED);

      await().until(() -> served.engine().inFlight() == 0);
      held.close();
      served.stub().modelInfer(affine("affine", 3));
      assertThat(served.engine().statistics("affine").runs()).isEqualTo(before + 1);
    }
  }

  @Test
  void priority_levels_countFromOneAndOthersAreTheDefault() {
    ServedModel levels = new ServedModels(served.engine()).get("levels", "");
    assertThat(levels.priority(1)).isZero();
    assertThat(levels.priority(3)).isEqualTo(2);
    for (long other : new long[] {0, 4, -1, Long.MAX_VALUE}) {
      assertThat(levels.priority(other)).as("%d", other).isEqualTo(1);
    }
    assertThat(new ServedModels(served.engine()).get("affine", "").priority(2)).isZero();
  }

  @Test
  void modelInfer_clientHangsUp_leavesTheQueueAndTheOthersRun() {
    long before;
    try (Hold held = hold("affine")) {
      before = served.engine().statistics("affine").runs();
      Context.CancellableContext caller = Context.current().withCancellation();
      caller.run(() -> begun.add(inBackground(affine("affine", 1))));
      ManagedChannel another = served.connect();
      CompletableFuture<ModelInferResponse> gone = inBackground(another, affine("affine", 1));
      await().until(() -> served.engine().inFlight() == 2);

      caller.cancel(null);
      await().until(() -> served.engine().inFlight() == 1);
      another.shutdownNow();
      await().until(() -> served.engine().inFlight() == 0);

      assertThat(gone).isCompletedExceptionally();
      CompletableFuture<ModelInferResponse> next = inBackground(affine("affine", 3));
      await().until(() -> served.engine().inFlight() == 1);
      held.close();
      assertThat(floats(next.join())).containsExactly(7);
    }
    assertThat(served.engine().statistics("affine").runs()).isEqualTo(before + 1);
    assertThat(served.engine().statistics("affine").cancel().count()).isEqualTo(2);
  }

  @Test
  void modelInfer_clientsHangUp_prints_howLongTheQueueHoldsThem() {
    long[] micros = new long[1000];
    try (Hold held = hold("affine")) {
      for (int i = 0; i < micros.length; i++) {
        Context.CancellableContext caller = Context.current().withCancellation();
        caller.run(() -> begun.add(inBackground(affine("affine", 1))));
        while (served.engine().inFlight() == 0) {
          LockSupport.parkNanos(20_000);
        }
        long start = System.nanoTime();
        caller.cancel(null);
        while (served.engine().inFlight() > 0) {
          LockSupport.parkNanos(20_000);
        }
        micros[i] = (System.nanoTime() - start) / 1000;
      }
      assertThat(held).isNotNull();
    }
    Arrays.sort(micros);
    System.out.printf(
        "a cancelled call leaves the queue after %d us (median), %d us (p99), %d us (most)%n",
        micros[micros.length / 2], micros[micros.length * 99 / 100], micros[micros.length - 1]);
    assertThat(served.engine().inFlight()).isZero();
  }

  @Test
  void modelStreamInfer_manyRequests_areAnsweredInOrderAndErrorsEndNothing() throws Exception {
    BlockingQueue<ModelStreamInferResponse> answers = new LinkedBlockingQueue<>();
    CompletableFuture<Void> end = new CompletableFuture<>();
    StreamObserver<ModelInferRequest> requests = stream(answers, end);
    for (int i = 0; i < 500; i++) {
      String model = i % 7 == 3 ? "nobody" : i % 2 == 0 ? "affine" : "patient";
      requests.onNext(affine(model, i).toBuilder().setId("r" + i).build());
      // A queue of two: the stream must not run ahead of what it reads.
      if (i % 2 == 1) {
        await().pollInterval(1, TimeUnit.MILLISECONDS).until(answers::size, n -> n > 0);
        while (answers.size() < i + 1) {
          Thread.onSpinWait();
        }
      }
    }
    requests.onCompleted();
    end.get(60, TimeUnit.SECONDS);

    List<ModelStreamInferResponse> all = List.copyOf(answers);
    assertThat(all).hasSize(500);
    for (int i = 0; i < all.size(); i++) {
      assertThat(all.get(i).getInferResponse().getId()).isEqualTo("r" + i);
      if (i % 7 == 3) {
        assertThat(all.get(i).getErrorMessage())
            .isEqualTo("Request for unknown model: 'nobody' is not found");
      } else {
        assertThat(all.get(i).getErrorMessage()).isEmpty();
        assertThat(floats(all.get(i).getInferResponse())).containsExactly(2 * i + 1);
        assertThat(
                all.get(i)
                    .getInferResponse()
                    .getParametersOrThrow("triton_final_response")
                    .getBoolParam())
            .isTrue();
      }
    }
  }

  @Test
  void modelStreamInfer_clientHangsUp_leavesTheQueue() {
    try (Hold held = hold("patient")) {
      CompletableFuture<Void> end = new CompletableFuture<>();
      Context.CancellableContext caller = Context.current().withCancellation();
      caller.run(
          () -> {
            StreamObserver<ModelInferRequest> requests = stream(new LinkedBlockingQueue<>(), end);
            for (int i = 0; i < 200; i++) {
              requests.onNext(affine("patient", i));
            }
          });
      // No more than its share is taken while none is answered.
      await().until(() -> served.engine().inFlight() == 64);

      caller.cancel(null);

      await().until(() -> served.engine().inFlight() == 0);
      assertThat(held).isNotNull();
    }
  }

  @Test
  void modelInfer_randomTexts_comeBack() throws Exception {
    long seed = ThreadLocalRandom.current().nextLong();
    System.out.println("InferenceServiceTest seed: " + seed);
    Random random = new Random(seed);
    List<CompletableFuture<ModelInferResponse>> answers = new ArrayList<>();
    List<List<ByteString>> sent = new ArrayList<>();
    for (int i = 0; i < 1000; i++) {
      int rows = 1 + random.nextInt(4);
      int width = 1 + random.nextInt(3);
      List<ByteString> texts = new ArrayList<>();
      for (int j = 0; j < rows * width; j++) {
        texts.add(text(random));
      }
      sent.add(texts);
      answers.add(inBackground(texts("text", texts, rows, width, random.nextBoolean())));
    }
    for (int i = 0; i < answers.size(); i++) {
      ByteBuffer raw =
          answers
              .get(i)
              .join()
              .getRawOutputContents(0)
              .asReadOnlyByteBuffer()
              .order(ByteOrder.LITTLE_ENDIAN);
      List<ByteString> echoed = Tensor.split(raw).stream().map(ByteString::copyFrom).toList();
      assertThat(echoed).as("seed %d", seed).isEqualTo(sent.get(i));
    }
  }

  private static ByteString text(Random random) {
    StringBuilder text = new StringBuilder();
    for (int i = random.nextInt(6); i > 0; i--) {
      int character = random.nextInt(Character.MAX_CODE_POINT + 1);
      text.appendCodePoint(
          character >= Character.MIN_SURROGATE && character <= Character.MAX_SURROGATE
              ? 'x'
              : character);
    }
    return ByteString.copyFrom(text.toString(), StandardCharsets.UTF_8);
  }

  private static ModelInferRequest texts(
      String model, List<ByteString> texts, int rows, int width, boolean raw) {
    InferInputTensor.Builder input =
        InferInputTensor.newBuilder()
            .setName("text")
            .setDatatype("BYTES")
            .addShape(rows)
            .addShape(width);
    ModelInferRequest.Builder request = ModelInferRequest.newBuilder().setModelName(model);
    if (!raw) {
      input.setContents(InferTensorContents.newBuilder().addAllBytesContents(texts));
      return request.addInputs(input).build();
    }
    Tensor tensor =
        Tensor.ofBytes(texts.stream().map(ByteString::toByteArray).toList(), rows, width);
    return request.addInputs(input).addRawInputContents(ByteString.copyFrom(tensor.data())).build();
  }

  @Test
  void modelInfer_bytesThatAreNoText_areInvalid() {
    Status refusal =
        refusal(texts("text", List.of(ByteString.copyFrom(new byte[] {(byte) 0xff})), 1, 1, true));

    assertThat(refusal.getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
    assertThat(refusal.getDescription()).contains("text: element 0: not UTF-8");
  }

  @Test
  void modelInfer_valuesThatFailTheGraph_areInternalInTheEnginesWords() {
    ModelInferRequest request =
        ModelInferRequest.newBuilder()
            .setModelName("lookup")
            .addInputs(
                InferInputTensor.newBuilder()
                    .setName("ids")
                    .setDatatype("INT64")
                    .addShape(1)
                    .addShape(1)
                    .setContents(InferTensorContents.newBuilder().addInt64Contents(100)))
            .build();

    Status refusal = refusal(request);

    assertThat(refusal.getCode()).isEqualTo(Status.Code.INTERNAL);
    assertThat(refusal.getDescription()).contains("lookup", "Gather");
  }

  @Test
  void modelConfig_fieldsThatTheFolderLeavesOut_areFilledIn() {
    ModelConfig config =
        served
            .stub()
            .modelConfig(ModelConfigRequest.newBuilder().setName("text").build())
            .getConfig();

    assertThat(config.getName()).isEqualTo("text");
    assertThat(config.getBackend()).isEqualTo("onnxruntime");
    assertThat(config.getInput(0).getDataType().name()).isEqualTo("TYPE_STRING");
    assertThat(config.getOutput(0).getName()).isEqualTo("echo");
    assertThat(config.getInstanceGroup(0).getCount()).isPositive();
    assertThat(config.getVersionPolicy().getLatest().getNumVersions()).isEqualTo(1);
    assertThat(config.getDynamicBatching().getPreferredBatchSize(0)).isEqualTo(4);
  }

  @Test
  void modelStatistics_calls_areCounted() {
    for (int i = 0; i < 5; i++) {
      served.stub().modelInfer(affine("affine", i));
    }
    ModelStatistics statistics =
        served
            .stub()
            .modelStatistics(ModelStatisticsRequest.newBuilder().setName("affine").build())
            .getModelStats(0);

    assertThat(statistics.getInferenceCount()).isEqualTo(5);
    assertThat(statistics.getExecutionCount()).isEqualTo(5);
    assertThat(statistics.getInferenceStats().getSuccess().getCount()).isEqualTo(5);
    assertThat(statistics.getInferenceStats().getSuccess().getNs())
        .isGreaterThanOrEqualTo(statistics.getInferenceStats().getComputeInfer().getNs());
    assertThat(statistics.getInferenceStats().getFail().getCount()).isZero();
    assertThat(statistics.getBatchStatsList())
        .singleElement()
        .satisfies(
            batch -> {
              assertThat(batch.getBatchSize()).isEqualTo(1);
              assertThat(batch.getComputeInfer().getCount()).isEqualTo(5);
            });
    assertThat(statistics.getLastInference()).isPositive();
  }

  @Test
  void repositoryIndex_models_haveTheirStates() {
    new TestRepository(models).affine("waiting", "");
    served.engine().unload("levels");
    assertThat(index(false))
        .extracting(ModelIndex::getName)
        .containsExactly("affine", "levels", "lookup", "patient", "text", "waiting");
    assertThat(index(true)).extracting(ModelIndex::getState).containsOnly("READY").hasSize(4);

    served.stub().repositoryModelLoad(load("waiting").build());

    assertThat(index(true)).extracting(ModelIndex::getName).contains("waiting");
  }

  private List<ModelIndex> index(boolean ready) {
    return served
        .stub()
        .repositoryIndex(RepositoryIndexRequest.newBuilder().setReady(ready).build())
        .getModelsList();
  }

  @Test
  void repositoryModelLoad_filesOutsideTheFolder_areNotWritten() {
    for (String file : List.of("file:../../stray", "file:/tmp/stray", "file:..", "file:")) {
      Status refusal =
          refusedLoad(
              load("guest")
                  .putParameters("config", text("{}"))
                  .putParameters(
                      file,
                      ModelRepositoryParameter.newBuilder()
                          .setBytesParam(ByteString.copyFromUtf8("x"))
                          .build()));
      assertThat(refusal.getCode()).as(file).isEqualTo(Status.Code.INTERNAL);
    }
    for (String name : List.of("../stray", "a/b", "..", ".", "")) {
      assertThat(refusedLoad(load(name).putParameters("config", text("{}"))).getCode())
          .as(name)
          .isEqualTo(Status.Code.INTERNAL);
      assertThat(refusedLoad(load(name)).getCode()).as(name).isEqualTo(Status.Code.INTERNAL);
    }
    assertThat(Files.exists(Path.of("/tmp/stray"))).isFalse();
  }

  @Test
  void repositoryModelLoad_serverThatControlsItsModels_isUnavailable() throws Exception {
    try (ServedEngine closed = ServedEngine.of(models, Control.NONE)) {
      StatusRuntimeException refusal =
          catchThrowableOfType(
              StatusRuntimeException.class,
              () -> closed.stub().repositoryModelLoad(load("affine").build()));

      assertThat(refusal.getStatus().getCode()).isEqualTo(Status.Code.UNAVAILABLE);
      assertThat(refusal.getStatus().getDescription())
          .isEqualTo("explicit model load / unload is not allowed if polling is enabled");
      assertThat(closed.engine().loaded()).isEmpty();
    }
  }

  private static RepositoryModelLoadRequest.Builder load(String model) {
    return RepositoryModelLoadRequest.newBuilder().setModelName(model);
  }

  private static ModelRepositoryParameter text(String value) {
    return ModelRepositoryParameter.newBuilder().setStringParam(value).build();
  }

  private Status refusedLoad(RepositoryModelLoadRequest.Builder request) {
    return catchThrowableOfType(
            StatusRuntimeException.class, () -> served.stub().repositoryModelLoad(request.build()))
        .getStatus();
  }

  private Hold hold(String model) {
    return new Hold(
        served.engine(),
        new ModelCall(
            model,
            Map.of("x", Tensor.ofFloats(new float[1], 1, 1)),
            System.nanoTime() + TimeUnit.MINUTES.toNanos(2)));
  }

  private static ModelInferRequest affine(String model, float... x) {
    InferTensorContents.Builder contents = InferTensorContents.newBuilder();
    for (float value : x) {
      contents.addFp32Contents(value);
    }
    return ModelInferRequest.newBuilder()
        .setModelName(model)
        .addInputs(
            InferInputTensor.newBuilder()
                .setName("x")
                .setDatatype("FP32")
                .addShape(1)
                .addShape(x.length)
                .setContents(contents))
        .build();
  }

  private static ModelInferRequest with(ModelInferRequest request, String key, long value) {
    return request.toBuilder()
        .putParameters(key, InferParameter.newBuilder().setInt64Param(value).build())
        .build();
  }

  private static float[] floats(ModelInferResponse response) {
    ByteBuffer raw =
        response.getRawOutputContents(0).asReadOnlyByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
    float[] values = new float[raw.remaining() / 4];
    raw.asFloatBuffer().get(values);
    return values;
  }

  private Status refusal(ModelInferRequest request) {
    return refusalWithin(60_000, request);
  }

  private Status refusalWithin(long millis, ModelInferRequest request) {
    return catchThrowableOfType(
            StatusRuntimeException.class,
            () ->
                served.stub().withDeadlineAfter(millis, TimeUnit.MILLISECONDS).modelInfer(request))
        .getStatus();
  }

  private CompletableFuture<ModelInferResponse> inBackground(ModelInferRequest request) {
    return inBackground(served.channel(), request);
  }

  private static CompletableFuture<ModelInferResponse> inBackground(
      ManagedChannel channel, ModelInferRequest request) {
    CompletableFuture<ModelInferResponse> answer = new CompletableFuture<>();
    GRPCInferenceServiceGrpc.newStub(channel)
        .modelInfer(
            request,
            new StreamObserver<>() {
              @Override
              public void onNext(ModelInferResponse response) {
                answer.complete(response);
              }

              @Override
              public void onError(Throwable error) {
                answer.completeExceptionally(error);
              }

              @Override
              public void onCompleted() {}
            });
    return answer;
  }

  private StreamObserver<ModelInferRequest> stream(
      BlockingQueue<ModelStreamInferResponse> answers, CompletableFuture<Void> end) {
    return GRPCInferenceServiceGrpc.newStub(served.channel())
        .modelStreamInfer(
            new StreamObserver<>() {
              @Override
              public void onNext(ModelStreamInferResponse response) {
                answers.add(response);
              }

              @Override
              public void onError(Throwable error) {
                end.completeExceptionally(error);
              }

              @Override
              public void onCompleted() {
                end.complete(null);
              }
            });
  }
}
