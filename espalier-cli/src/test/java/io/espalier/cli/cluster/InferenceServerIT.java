package io.espalier.cli.cluster;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelRunner;
import io.espalier.inference.Tensor;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import io.espalier.inference.triton.TritonModelRunner;
import io.espalier.inference.triton.TritonSettings;
import io.grpc.InsecureChannelCredentials;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** {@code espalier serve inference} as a process of its own, asked by the client of Triton. */
class InferenceServerIT {
  private static final String MODEL = "shop-text-encode";

  @Test
  void serve_inference_answersAsTheEngineInThisProcess() throws Exception {
    Path root = Path.of(System.getProperty("espalier.root"));
    List<String> arguments =
        List.of(
            "serve",
            "inference",
            "--port",
            "0",
            "--set",
            "inference.control=explicit",
            "--set",
            "inference.load=[" + MODEL + "]");
    try (ServerProcess process = ServerProcess.start(root, arguments);
        ModelRunner remote =
            TritonModelRunner.connect(
                process.target(), InsecureChannelCredentials.create(), TritonSettings.KEEP_ALIVE);
        EmbeddedModelRunner local = new EmbeddedModelRunner(root.resolve("model-repo/models"))) {
      local.load(MODEL);

      assertThat(remote.spec(MODEL)).isEqualTo(local.spec(MODEL));
      assertThat(remote.isReady(MODEL)).isTrue();
      assertThat(remote.isReady("shop-ranker-query")).isFalse();
      assertThat(vector(remote)).isEqualTo(vector(local)).isNotEqualTo(new float[128]);
    }
  }

  private static float[] vector(ModelRunner runner) {
    Tensor ids = Tensor.ofLongs(new long[] {1, 2, 3}, 1, 3);
    Tensor mask = Tensor.ofLongs(new long[] {1, 1, 1}, 1, 3);
    ModelCall call =
        new ModelCall(
            MODEL,
            Map.of("input_ids", ids, "attention_mask", mask),
            System.nanoTime() + TimeUnit.MINUTES.toNanos(1));
    float[] vector = new float[128];
    requireNonNull(runner.infer(call).join().get("vector")).floats().get(vector);
    return vector;
  }
}
