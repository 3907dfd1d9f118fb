package io.espalier.inference.triton;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;

import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.Tensor;
import io.espalier.inference.onnx.TestRepository;
import io.grpc.InsecureChannelCredentials;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Connections to a real Triton: pinged, lost, and made again. */
class TritonConnectionIT {
  private static final String ONE = "instance_group { count: 1 kind: KIND_CPU }\n";
  private static final Duration SHORTEST_KEEP_ALIVE = Duration.ofSeconds(10);
  private static final Duration PATIENCE = Duration.ofMinutes(3);

  @TempDir private Path models;

  @BeforeEach
  void write() {
    new TestRepository(models).affine("affine", ONE);
  }

  /**
   * A server that closes connections which are pinged more often than every five minutes keeps that
   * of a long call whose client may ping every ten seconds: it is never silent for so long.
   */
  @Test
  void infer_longCallOfAStrictServer_keepsItsConnection() throws Exception {
    String allows = "--grpc-http2-min-recv-ping-interval-without-data=";
    try (TritonContainer strict =
            TritonContainer.start(
                models, "--load-model=affine", allows + TritonSettings.KEEP_ALIVE.toMillis());
        TritonModelRunner runner = connect(strict)) {
      CompletableFuture<Map<String, Tensor>> answered;
      try (AutoCloseable held = strict.hold(call(0))) {
        answered = runner.infer(call(1));
        // The fourth ping would be one too many.
        Thread.sleep(5 * SHORTEST_KEEP_ALIVE.toMillis());
        assertThat(answered).isNotDone();
      }
      assertThat(value(answered)).isEqualTo(3);
    }
  }

  @Test
  void infer_serverKilledAndStartedAgain_isServedAgainWithWhatItWasGiven(@TempDir Path elsewhere)
      throws Exception {
    try (TritonContainer server = TritonContainer.start(models, "--load-model=affine");
        TritonModelRunner runner = server.connect()) {
      runner.load(new TestRepository(elsewhere).affine("guest-1", ONE));
      CompletableFuture<Map<String, Tensor>> lost;
      try (AutoCloseable held = server.hold(call(0))) {
        lost = runner.infer(call(1));
        await().until(() -> server.metric("nv_inference_pending_request_count", "affine") == 1);
        server.kill();
        assertThat(reason(lost)).isEqualTo(Reason.NOT_READY);
        assertThat(reason(runner.infer(call(1)))).isEqualTo(Reason.NOT_READY);
        assertThat(runner.isReady("affine")).isFalse();
        assertThat(runner.inFlight()).isZero();
      } catch (CompletionException e) {
        // What held the model was lost too.
        assertThat(e).hasCauseInstanceOf(ModelException.class);
      }
      // Longer than gRPC's first waits between its tries to connect.
      Thread.sleep(5000);

      long start = System.nanoTime();
      server.startAgain();

      for (String model : List.of("affine", "guest-1")) {
        await()
            .atMost(PATIENCE)
            .until(
                () -> {
                  CompletableFuture<Map<String, Tensor>> call = runner.infer(call(model, 1));
                  return catchThrowable(call::join) == null && value(call) == 3;
                });
        System.out.printf(
            "%s served %.1f s after the server's start%n",
            model, (System.nanoTime() - start) / 1e9);
      }
    }
  }

  private static TritonModelRunner connect(TritonContainer server) {
    return TritonModelRunner.connect(
        server.target(), InsecureChannelCredentials.create(), SHORTEST_KEEP_ALIVE);
  }

  private static ModelCall call(float x) {
    return call("affine", x);
  }

  private static ModelCall call(String model, float x) {
    return new ModelCall(
        model,
        Map.of("x", Tensor.ofFloats(new float[] {x}, 1, 1)),
        System.nanoTime() + TimeUnit.MINUTES.toNanos(10));
  }

  private static float value(CompletableFuture<Map<String, Tensor>> call) {
    return requireNonNull(call.join().get("y")).floats().get(0);
  }

  private static Reason reason(CompletableFuture<?> result) {
    Throwable error = catchThrowable(result::join);
    return ((ModelException) requireNonNull(error.getCause())).reason();
  }
}
