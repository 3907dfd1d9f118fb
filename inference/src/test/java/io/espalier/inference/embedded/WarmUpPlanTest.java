package io.espalier.inference.embedded;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.inference.DataType;
import io.espalier.inference.ModelSpec;
import io.espalier.inference.ModelSpec.TensorSpec;
import io.espalier.inference.oip.v2.ModelConfig;
import io.espalier.inference.repository.Batching;
import io.espalier.inference.repository.ModelSettings;
import io.espalier.inference.repository.QueuePolicy;
import io.espalier.inference.repository.SessionSettings;
import io.espalier.inference.repository.SessionSettings.Optimization;
import io.espalier.inference.repository.WarmUp;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class WarmUpPlanTest {
  private static final SessionSettings SESSION = new SessionSettings(1, 1, false, Optimization.ALL);

  @Test
  void buckets_preferredSizes_upToTheLargest() {
    assertThat(sizes(16, batching(6, 10))).containsExactly(1, 2, 4, 6, 8, 10);
  }

  @Test
  void buckets_noPreferredSizes_upToTheLargestBatch() {
    assertThat(sizes(12, batching())).containsExactly(1, 2, 4, 8, 12);
  }

  @Test
  void buckets_noBatching_oneCall() {
    assertThat(sizes(12, null)).containsExactly(1);
    assertThat(sizes(0, batching())).containsExactly(0);
  }

  @Test
  void buckets_declaredCall_lookLikeIt() {
    WarmUp declared =
        new WarmUp(
            "a user", 1, 1, Map.of("x", new WarmUp.Input(DataType.FP32, List.of(7L), false, null)));

    List<WarmUp> buckets = WarmUpPlan.buckets(settings(4, batching(), List.of(declared)), spec(4));

    assertThat(buckets).extracting(WarmUp::rows).containsExactly(1, 2, 4);
    assertThat(buckets).extracting(WarmUp::inputs).containsOnly(declared.inputs());
  }

  @Test
  void buckets_nothingDeclared_openDimensionsAreOne() {
    assertThat(WarmUpPlan.buckets(settings(1, null, List.of()), spec(1)))
        .containsExactly(
            new WarmUp(
                "zeros",
                1,
                1,
                Map.of("x", new WarmUp.Input(DataType.FP32, List.of(1L, 3L), false, null))));
  }

  private static List<Integer> sizes(int maxBatchSize, @Nullable Batching batching) {
    return WarmUpPlan.buckets(settings(maxBatchSize, batching, List.of()), spec(maxBatchSize))
        .stream()
        .map(WarmUp::rows)
        .toList();
  }

  private static ModelSettings settings(
      int maxBatchSize, @Nullable Batching batching, List<WarmUp> warmUps) {
    return new ModelSettings(
        ModelConfig.getDefaultInstance(),
        1,
        spec(maxBatchSize),
        Path.of("model.onnx"),
        batching,
        1,
        SESSION,
        warmUps);
  }

  private static ModelSpec spec(int maxBatchSize) {
    return new ModelSpec(
        "m",
        maxBatchSize,
        List.of(new TensorSpec("x", DataType.FP32, List.of(-1L, 3L))),
        List.of());
  }

  private static Batching batching(Integer... preferred) {
    return new Batching(new TreeSet<>(List.of(preferred)), 0, 0, QueuePolicy.UNBOUNDED, Map.of());
  }
}
