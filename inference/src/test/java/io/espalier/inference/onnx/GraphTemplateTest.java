package io.espalier.inference.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.inference.DataType;
import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelSpec.TensorSpec;
import io.espalier.inference.Tensor;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GraphTemplateTest {
  private static final String CONFIG =
      """
      max_batch_size: 8
      input { name: "at" data_type: TYPE_INT64 dims: [ 1 ] }
      output { name: "y" data_type: TYPE_FP32 dims: [ 1 ] }
      """;

  @TempDir private Path dir;
  private Path template;

  /** {@code y = table[at] + offset}, the table and the offset to come. */
  @BeforeEach
  void write() {
    template = dir.resolve("template.onnx");
    new OnnxGraph()
        .input("table", DataType.FP32, "n")
        .input("at", DataType.INT64, "batch", 1)
        .input("offset", DataType.FP32, 1)
        .constant("half", new float[] {.5f}, 1)
        .node("Gather", "found", "table", "at")
        .node("Add", "moved", "found", "offset")
        .node("Add", "y", "moved", "half")
        .output("y", DataType.FP32, "batch", 1)
        .write(template);
  }

  @Test
  void write_constantsForSomeInputs_isAModelOfTheOthers() throws IOException {
    for (float first : new float[] {10, 20}) {
      Path folder = Files.createDirectories(dir.resolve("made-" + (int) first));
      Files.createDirectories(folder.resolve("1"));
      Files.writeString(folder.resolve("config.pbtxt"), CONFIG);
      GraphTemplate.read(template)
          .write(
              Map.of(
                  "table", Tensor.ofFloats(new float[] {first, first + 1, first + 2}, 3),
                  "offset", Tensor.ofFloats(new float[] {100}, 1)),
              folder.resolve("1/model.onnx"));
    }

    try (EmbeddedModelRunner runner = new EmbeddedModelRunner(dir)) {
      runner.load("made-10");
      runner.load("made-20");
      assertThat(runner.spec("made-10").inputs())
          .extracting(TensorSpec::name)
          .containsExactly("at");
      assertThat(ask(runner, "made-10", 2)).isEqualTo(112.5f);
      assertThat(ask(runner, "made-20", 1)).isEqualTo(121.5f);
    }
  }

  private static float ask(EmbeddedModelRunner runner, String model, long at) {
    Map<String, Tensor> inputs = Map.of("at", Tensor.ofLongs(new long[] {at}, 1, 1));
    ModelCall call = new ModelCall(model, inputs, System.nanoTime() + TimeUnit.MINUTES.toNanos(1));
    return Objects.requireNonNull(runner.infer(call).join().get("y")).floats().get(0);
  }

  @Test
  void write_unknownInput_namesIt() throws IOException {
    GraphTemplate read = GraphTemplate.read(template);
    assertThatThrownBy(
            () ->
                read.write(
                    Map.of("tables", Tensor.ofFloats(new float[1], 1)), dir.resolve("x.onnx")))
        .hasMessage("constants: [tables] (expected: the graph's inputs)");
  }

  @Test
  void read_noModel_namesTheFile() throws IOException {
    Path text = Files.writeString(dir.resolve("text.onnx"), "no model at all");
    assertThatThrownBy(() -> GraphTemplate.read(text))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("text.onnx")
        .hasMessageEndingWith("(expected: an ONNX model)");
  }
}
