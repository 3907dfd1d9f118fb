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
import io.espalier.inference.oip.v2.ModelConfig;
import io.espalier.inference.oip.v2.ModelConfigRequest;
import io.espalier.inference.oip.v2.ModelConfigResponse;
import io.espalier.inference.oip.v2.ModelReadyRequest;
import io.espalier.inference.oip.v2.ModelReadyResponse;
import io.espalier.inference.oip.v2.ServerLiveRequest;
import io.espalier.inference.oip.v2.ServerLiveResponse;
import io.espalier.inference.onnx.TestRepository;
import io.espalier.inference.triton.TritonModelRunner;
import io.espalier.inference.triton.TritonSettings;
import io.espalier.oip.InferenceSettings.Control;
import io.espalier.server.ServerConfig;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.InsecureServerCredentials;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import io.opentelemetry.api.OpenTelemetry;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A client of servers that refuse calls: full, and not gone. */
class FullServerTest {
  private static final Duration SOON = Duration.ofMinutes(2);
  // As many as would have had two in a row missed.
  private static final int ASKED = 4;

  private static TritonModelRunner runner(String target) {
    return TritonModelRunner.connect(
        new TritonSettings(
            List.of(target), InsecureChannelCredentials.create(), TritonSettings.KEEP_ALIVE),
        OpenTelemetry.noop().getMeter("test"));
  }

  private static ModelCall call(float x) {
    return new ModelCall(
        "affine",
        Map.of("x", Tensor.ofFloats(new float[] {x}, 1, 1)),
        System.nanoTime() + TimeUnit.MINUTES.toNanos(1));
  }

  private static Reason refusal(CompletableFuture<?> call) {
    Throwable error = requireNonNull(catchThrowable(call::join)).getCause();
    return ((ModelException) requireNonNull(error)).reason();
  }

  /** Whoever keeps the only place has it, others are refused, and new clients find the model. */
  @ParameterizedTest
  @ValueSource(strings = {"max_concurrent_calls", "per_client.calls_per_second"})
  void infer_serverIsFull_isRefusedAsThatAndTheServerCounts(String limit, @TempDir Path models)
      throws Exception {
    new TestRepository(models)
        .affine(
            "affine",
            """
            instance_group { count: 1 kind: KIND_CPU }
            dynamic_batching {}
            """);
    Map<String, String> config =
        limit.startsWith("max")
            ? Map.of(limit, "1")
            : Map.of(limit, "0.01", "per_client.burst", "1");
    try (ServedEngine served = ServedEngine.of(models, Control.EXPLICIT, ServerConfig.of(config));
        TritonModelRunner first = runner(served.target())) {
      served.engine().load("affine");
      await().atMost(SOON).until(() -> first.isReady("affine"));
      try (Hold held = new Hold(served.engine(), call(0))) {
        CompletableFuture<?> placed = first.infer(call(1));
        await().atMost(SOON).until(() -> served.engine().inFlight() == 1);
        try (TritonModelRunner second = runner(served.target())) {
          await().atMost(SOON).until(() -> second.isReady("affine"));
          long until = System.nanoTime() + Duration.ofSeconds(ASKED).toNanos();
          while (System.nanoTime() < until) {
            assertThat(refusal(second.infer(call(2)))).isEqualTo(Reason.QUEUE_FULL);
            assertThat(first.isReady("affine") && second.isReady("affine")).isTrue();
            Thread.sleep(100);
          }
        }
        assertThat(placed).isNotDone();
        held.close();
        placed.join();
      }
    }
  }

  /** As a server of another make may do it. */
  @Test
  void isReady_questionsAreRefusedForLoad_staysTrue() throws Exception {
    AtomicInteger asked = new AtomicInteger();
    try (Refusing server = new Refusing(Status.RESOURCE_EXHAUSTED, asked);
        TritonModelRunner runner = runner(server.target())) {
      await().atMost(SOON).until(() -> runner.isReady("affine"));

      while (asked.get() < ASKED) {
        assertThat(runner.isReady("affine")).isTrue();
        Thread.sleep(5);
      }
      assertThat(runner.isReady("affine")).isTrue();
    }
  }

  @Test
  void isReady_questionsFail_becomesFalse() throws Exception {
    AtomicInteger asked = new AtomicInteger();
    try (Refusing server = new Refusing(Status.INTERNAL, asked);
        TritonModelRunner runner = runner(server.target())) {
      await().atMost(SOON).until(() -> runner.isReady("affine"));

      await().atMost(SOON).until(() -> !runner.isReady("affine"));
      assertThat(asked.get()).isGreaterThanOrEqualTo(2);
    }
  }

  /** Has a model and answers each question whether it lives with a status. */
  private static final class Refusing implements AutoCloseable {
    private final Server server;

    Refusing(Status status, AtomicInteger asked) throws Exception {
      server =
          Grpc.newServerBuilderForPort(0, InsecureServerCredentials.create())
              .addService(
                  new GRPCInferenceServiceGrpc.GRPCInferenceServiceImplBase() {
                    @Override
                    public void serverLive(
                        ServerLiveRequest request, StreamObserver<ServerLiveResponse> responses) {
                      asked.incrementAndGet();
                      responses.onError(status.asException());
                    }

                    @Override
                    public void modelReady(
                        ModelReadyRequest request, StreamObserver<ModelReadyResponse> responses) {
                      responses.onNext(ModelReadyResponse.newBuilder().setReady(true).build());
                      responses.onCompleted();
                    }

                    @Override
                    public void modelConfig(
                        ModelConfigRequest request, StreamObserver<ModelConfigResponse> responses) {
                      responses.onNext(
                          ModelConfigResponse.newBuilder()
                              .setConfig(ModelConfig.newBuilder().setName(request.getName()))
                              .build());
                      responses.onCompleted();
                    }
                  })
              .build()
              .start();
    }

    String target() {
      return "localhost:" + server.getPort();
    }

    @Override
    public void close() {
      server.shutdownNow();
    }
  }
}
