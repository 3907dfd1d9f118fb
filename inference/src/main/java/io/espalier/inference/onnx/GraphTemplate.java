package io.espalier.inference.onnx;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.UnknownFieldSet;
import com.google.protobuf.UnknownFieldSet.Field;
import io.espalier.inference.DataType;
import io.espalier.inference.Tensor;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * An ONNX graph some of whose inputs are still to become constants.
 *
 * <p>The file is read as fields by number: of onnx.proto only a model's graph, a graph's inputs and
 * initializers, a value's name and a tensor are known here, and all else is passed on as it is.
 */
public final class GraphTemplate {
  private static final int MODEL_GRAPH = 7;
  private static final int GRAPH_INITIALIZER = 5;
  private static final int GRAPH_INPUT = 11;
  private static final int VALUE_NAME = 1;
  private static final int TENSOR_DIMS = 1;
  private static final int TENSOR_TYPE = 2;
  private static final int TENSOR_NAME = 8;
  private static final int TENSOR_RAW_DATA = 9;

  private final UnknownFieldSet model;
  private final UnknownFieldSet graph;

  private GraphTemplate(UnknownFieldSet model, UnknownFieldSet graph) {
    this.model = model;
    this.graph = graph;
  }

  /**
   * Reads a template.
   *
   * @throws IOException when the file cannot be read or is no ONNX model
   */
  public static GraphTemplate read(Path file) throws IOException {
    try {
      UnknownFieldSet model = UnknownFieldSet.parseFrom(Files.readAllBytes(file));
      if (model.getField(MODEL_GRAPH).getLengthDelimitedList().size() != 1) {
        throw new IOException(file + ": no graph (expected: an ONNX model)");
      }
      return new GraphTemplate(
          model,
          UnknownFieldSet.parseFrom(
              model.getField(MODEL_GRAPH).getLengthDelimitedList().getFirst()));
    } catch (InvalidProtocolBufferException e) {
      throw new IOException(file + ": " + e.getMessage() + " (expected: an ONNX model)", e);
    }
  }

  /**
   * Writes the model that has some inputs as constants.
   *
   * @param constants by the input's name
   * @throws IllegalArgumentException when the graph lacks one of the inputs
   */
  public void write(Map<String, Tensor> constants, Path file) throws IOException {
    Field.Builder inputs = Field.newBuilder();
    Set<String> missing = new TreeSet<>(constants.keySet());
    for (ByteString input : graph.getField(GRAPH_INPUT).getLengthDelimitedList()) {
      if (!missing.remove(name(input))) {
        inputs.addLengthDelimited(input);
      }
    }
    if (!missing.isEmpty()) {
      throw new IllegalArgumentException(
          "constants: " + missing + " (expected: the graph's inputs)");
    }
    Field.Builder initializers = Field.newBuilder(graph.getField(GRAPH_INITIALIZER));
    constants.forEach((name, tensor) -> initializers.addLengthDelimited(tensor(name, tensor)));
    UnknownFieldSet made =
        graph.toBuilder()
            .addField(GRAPH_INPUT, inputs.build())
            .addField(GRAPH_INITIALIZER, initializers.build())
            .build();
    Field whole = Field.newBuilder().addLengthDelimited(made.toByteString()).build();
    try (OutputStream out = Files.newOutputStream(file)) {
      model.toBuilder().addField(MODEL_GRAPH, whole).build().writeTo(out);
    }
  }

  private static String name(ByteString value) throws InvalidProtocolBufferException {
    return UnknownFieldSet.parseFrom(value)
        .getField(VALUE_NAME)
        .getLengthDelimitedList()
        .getFirst()
        .toStringUtf8();
  }

  private static ByteString tensor(String name, Tensor tensor) {
    Field.Builder dims = Field.newBuilder();
    for (long dim : tensor.shape()) {
      dims.addVarint(dim);
    }
    return UnknownFieldSet.newBuilder()
        .addField(TENSOR_DIMS, dims.build())
        .addField(TENSOR_TYPE, Field.newBuilder().addVarint(code(tensor.type())).build())
        .addField(
            TENSOR_NAME,
            Field.newBuilder().addLengthDelimited(ByteString.copyFromUtf8(name)).build())
        .addField(TENSOR_RAW_DATA, Field.newBuilder().addLengthDelimited(raw(tensor)).build())
        .build()
        .toByteString();
  }

  private static ByteString raw(Tensor tensor) {
    if (ByteOrder.nativeOrder() != ByteOrder.LITTLE_ENDIAN) {
      throw new IllegalStateException(
          "byte order: " + ByteOrder.nativeOrder() + " (expected: LITTLE_ENDIAN, as in the file)");
    }
    return ByteString.copyFrom(tensor.data());
  }

  /** onnx.proto's TensorProto.DataType. */
  private static int code(DataType type) {
    return switch (type) {
      case FP32 -> 1;
      case INT32 -> 6;
      case INT64 -> 7;
      case BOOL -> 9;
      case FP16 -> 10;
      case BYTES -> 8;
    };
  }
}
