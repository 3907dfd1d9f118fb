package io.espalier.oip;

import io.espalier.inference.DataType;
import io.espalier.inference.onnx.OnnxGraph;
import io.espalier.inference.onnx.TestRepository;
import io.espalier.oip.InferenceSettings.Control;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;

/** The models that the table of cases asks: those of {@code src/test/triton/model.py} as graphs. */
final class CaseModels {
  private CaseModels() {}

  /** Serves them all from a folder, with all loaded but the one that does not load. */
  static ServedEngine serve(Path models) throws IOException {
    write(new TestRepository(models));
    ServedEngine served = ServedEngine.of(models, Control.EXPLICIT);
    for (String model : List.of("affine", "levels", "lookup", "unbatched", "text", "pair")) {
      served.engine().load(model);
    }
    return served;
  }

  private static void write(TestRepository repository) throws IOException {
    for (String model : List.of("affine", "levels")) {
      repository.model(
          model,
          new OnnxGraph()
              .input("x", DataType.FP32, "batch", "n")
              .constant("two", new float[] {2}, 1)
              .constant("one", new float[] {1}, 1)
              .node("Mul", "doubled", "x", "two")
              .node("Add", "y", "doubled", "one")
              .output("y", DataType.FP32, "batch", "n"),
          config(model));
    }
    repository.lookup("lookup", 100, "");
    repository.model(
        "unbatched",
        new OnnxGraph()
            .input("x", DataType.INT32, 2, "n")
            .node("Neg", "y", "x")
            .output("y", DataType.INT32, 2, "n"),
        config("unbatched"));
    repository.model(
        "text",
        new OnnxGraph()
            .input("text", DataType.BYTES, "batch", "n")
            .node("Identity", "echo", "text")
            .output("echo", DataType.BYTES, "batch", "n"),
        config("text"));
    repository.model(
        "pair",
        new OnnxGraph()
            .input("a", DataType.FP32, "batch", 2)
            .input("b", DataType.FP32, "batch", 2)
            .node("Add", "sum", "a", "b")
            .output("sum", DataType.FP32, "batch", 2),
        config("pair"));
    repository.model("broken", new OnnxGraph().input("x", DataType.FP32, "n"), config("broken"));
  }

  private static String config(String model) throws IOException {
    return String.join("\n", lines("models/" + model + ".pbtxt"));
  }

  /** The lines of a file of the table. */
  static List<String> lines(String file) throws IOException {
    try (InputStream in = CaseModels.class.getResourceAsStream("/triton/" + file)) {
      return new String(Objects.requireNonNull(in, file).readAllBytes(), StandardCharsets.UTF_8)
          .lines()
          .toList();
    }
  }
}
