package io.espalier.inference.onnx;

import io.espalier.inference.DataType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Makes model folders for tests. */
public final class TestRepository {
  private final Path models;

  public TestRepository(Path models) {
    this.models = models;
  }

  public Path path() {
    return models;
  }

  /** A model folder with this graph and configuration. */
  public Path model(String name, OnnxGraph graph, String config) {
    graph.write(models.resolve(name).resolve("1").resolve("model.onnx"));
    try {
      Files.writeString(models.resolve(name).resolve("config.pbtxt"), config);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return models.resolve(name);
  }

  /** {@code y = 2x + 1} over rows of any length; the configuration is the caller's. */
  public Path affine(String name, String scheduling) {
    return model(
        name,
        new OnnxGraph()
            .input("x", DataType.FP32, "batch", "n")
            .constant("two", new float[] {2}, 1)
            .constant("one", new float[] {1}, 1)
            .node("Mul", "doubled", "x", "two")
            .node("Add", "y", "doubled", "one")
            .output("y", DataType.FP32, "batch", "n"),
        """
        platform: "onnxruntime_onnx"
        max_batch_size: 8
        input { name: "x" data_type: TYPE_FP32 dims: -1 }
        output { name: "y" data_type: TYPE_FP32 dims: -1 }
        """
            + scheduling);
  }

  /**
   * A table of {@code items} rows of width 3, row i = (i, i + 0.25, −i): {@code ids} [rows, n] to
   * {@code vectors} [rows, n, 3], and {@code next} = ids + 1. An id beyond the table fails the run.
   */
  public Path lookup(String name, int items, String scheduling) {
    float[] table = new float[items * 3];
    for (int i = 0; i < items; i++) {
      table[3 * i] = i;
      table[3 * i + 1] = i + .25f;
      table[3 * i + 2] = -i;
    }
    return model(
        name,
        new OnnxGraph()
            .input("ids", DataType.INT64, "batch", "n")
            .constant("table", table, items, 3)
            .constant("one", new long[] {1}, 1)
            .node("Gather", "vectors", "table", "ids")
            .node("Add", "next", "ids", "one")
            .output("vectors", DataType.FP32, "batch", "n", 3)
            .output("next", DataType.INT64, "batch", "n"),
        """
        backend: "onnxruntime"
        max_batch_size: 16
        input { name: "ids" data_type: TYPE_INT64 dims: -1 }
        output { name: "vectors" data_type: TYPE_FP32 dims: [ -1, 3 ] }
        output { name: "next" data_type: TYPE_INT64 dims: -1 }
        """
            + scheduling);
  }
}
