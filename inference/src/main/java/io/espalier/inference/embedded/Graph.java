package io.espalier.inference.embedded;

import ai.onnxruntime.NodeInfo;
import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.TensorInfo;
import io.espalier.inference.DataType;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.ModelSpec;
import io.espalier.inference.ModelSpec.TensorSpec;
import io.espalier.inference.repository.ModelSettings;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Checks what a model's configuration declares against what its graph takes and gives. */
final class Graph {
  private final ModelSettings settings;
  private final boolean batched;

  private Graph(ModelSettings settings) {
    this.settings = settings;
    this.batched = settings.spec().maxBatchSize() > 0;
  }

  /** The model's specification: as declared, or the graph's own where nothing is declared. */
  static ModelSpec spec(ModelSettings settings, OrtSession session) throws OrtException {
    Graph graph = new Graph(settings);
    ModelSpec declared = settings.spec();
    List<TensorSpec> inputs = graph.check("input", declared.inputs(), session.getInputInfo());
    for (String name : session.getInputNames()) {
      if (inputs.stream().noneMatch(input -> input.name().equals(name))) {
        throw graph.error("input " + name, "declared nowhere", "each input of the graph");
      }
    }
    List<TensorSpec> outputs = graph.check("output", declared.outputs(), session.getOutputInfo());
    return new ModelSpec(declared.name(), declared.maxBatchSize(), inputs, outputs);
  }

  static DataType type(OnnxJavaType type) {
    return switch (type) {
      case BOOL -> DataType.BOOL;
      case INT32 -> DataType.INT32;
      case INT64 -> DataType.INT64;
      case FLOAT16 -> DataType.FP16;
      case FLOAT -> DataType.FP32;
      case STRING -> DataType.BYTES;
      default ->
          throw new IllegalArgumentException(
              type + " (expected: BOOL, INT32, INT64, FLOAT16, FLOAT or STRING)");
    };
  }

  static OnnxJavaType type(DataType type) {
    return switch (type) {
      case BOOL -> OnnxJavaType.BOOL;
      case INT32 -> OnnxJavaType.INT32;
      case INT64 -> OnnxJavaType.INT64;
      case FP16 -> OnnxJavaType.FLOAT16;
      case FP32 -> OnnxJavaType.FLOAT;
      case BYTES -> OnnxJavaType.STRING;
    };
  }

  private List<TensorSpec> check(
      String kind, List<TensorSpec> declared, Map<String, NodeInfo> actual) {
    List<TensorSpec> specs = new ArrayList<>();
    if (declared.isEmpty()) {
      actual.forEach((name, node) -> specs.add(own(kind + " " + name, name, node)));
      return specs;
    }
    for (TensorSpec spec : declared) {
      NodeInfo node = actual.get(spec.name());
      if (node == null) {
        throw error(kind + " " + spec.name(), "not in the graph", "one of " + actual.keySet());
      }
      check(kind + " " + spec.name(), spec, own(kind + " " + spec.name(), spec.name(), node));
      specs.add(spec);
    }
    return specs;
  }

  /** What the graph says of a tensor, without the batch dimension. */
  private TensorSpec own(String what, String name, NodeInfo node) {
    if (!(node.getInfo() instanceof TensorInfo info)) {
      throw error(what, node.getInfo(), "a tensor");
    }
    DataType type;
    try {
      type = type(info.type);
    } catch (IllegalArgumentException e) {
      throw error(what, info.type, "BOOL, INT32, INT64, FLOAT16, FLOAT or STRING");
    }
    long[] shape = info.getShape();
    if (batched && (shape.length == 0 || shape[0] != -1)) {
      throw error(
          what,
          Arrays.toString(shape),
          "a first dimension of any size, since max_batch_size is "
              + settings.spec().maxBatchSize());
    }
    List<Long> dims = new ArrayList<>();
    for (int axis = batched ? 1 : 0; axis < shape.length; axis++) {
      dims.add(shape[axis]);
    }
    return new TensorSpec(name, type, dims);
  }

  private void check(String what, TensorSpec declared, TensorSpec actual) {
    if (declared.type() != actual.type()) {
      throw error(what, declared.type(), actual.type().toString());
    }
    boolean fits = declared.dims().size() == actual.dims().size();
    for (int i = 0; fits && i < declared.dims().size(); i++) {
      long size = actual.dims().get(i);
      fits = size == -1 || size == declared.dims().get(i);
    }
    if (!fits) {
      throw error(what, "dims " + declared.dims(), "the graph's " + actual.dims());
    }
  }

  private ModelException error(String what, Object value, String expected) {
    return new ModelException(
        Reason.NOT_READY,
        settings.graph() + ": " + what + ": " + value + " (expected: " + expected + ")");
  }
}
