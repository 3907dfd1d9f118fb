package io.espalier.inference.onnx;

import com.google.protobuf.ByteString;
import com.google.protobuf.CodedOutputStream;
import io.espalier.inference.DataType;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Writes small ONNX files: the messages of onnx.proto that tiny graphs need, by field number, so
 * that no binary and no Python is needed for the tests' models.
 *
 * <p>A dimension is a number or a name; a name takes any size.
 */
public final class OnnxGraph {
  private final Message graph = new Message().string(2, "graph");

  /** Declares an input. */
  public OnnxGraph input(String name, DataType type, Object... dims) {
    graph.message(11, value(name, type, dims));
    return this;
  }

  /** Declares an output. */
  public OnnxGraph output(String name, DataType type, Object... dims) {
    graph.message(12, value(name, type, dims));
    return this;
  }

  /** Adds a constant of floats. */
  public OnnxGraph constant(String name, float[] values, long... dims) {
    ByteBuffer raw = ByteBuffer.allocate(values.length * 4).order(ByteOrder.LITTLE_ENDIAN);
    raw.asFloatBuffer().put(values);
    return constant(name, DataType.FP32, raw, dims);
  }

  /** Adds a constant of longs. */
  public OnnxGraph constant(String name, long[] values, long... dims) {
    ByteBuffer raw = ByteBuffer.allocate(values.length * 8).order(ByteOrder.LITTLE_ENDIAN);
    raw.asLongBuffer().put(values);
    return constant(name, DataType.INT64, raw, dims);
  }

  /** Adds an operator without attributes. */
  public OnnxGraph node(String operator, String output, String... inputs) {
    graph.message(1, node(operator, new String[] {output}, inputs));
    return this;
  }

  /** Adds a conversion to another element type. */
  public OnnxGraph cast(String output, String input, DataType type) {
    Message to = new Message().string(1, "to").number(3, code(type)).number(20, 2);
    graph.message(1, node("Cast", new String[] {output}, new String[] {input}).message(5, to));
    return this;
  }

  /** Writes the file, and the folders above it. */
  public void write(Path file) {
    Message model =
        new Message()
            .number(1, 8)
            .message(7, graph)
            .message(8, new Message().string(1, "").number(2, 17));
    try {
      Files.createDirectories(file.getParent());
      Files.write(file, model.bytes());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private OnnxGraph constant(String name, DataType type, ByteBuffer raw, long... dims) {
    Message tensor = new Message();
    for (long dim : dims) {
      tensor.number(1, dim);
    }
    graph.message(
        5, tensor.number(2, code(type)).string(8, name).bytes(9, ByteString.copyFrom(raw)));
    return this;
  }

  private static Message node(String operator, String[] outputs, String[] inputs) {
    Message node = new Message();
    for (String input : inputs) {
      node.string(1, input);
    }
    for (String output : outputs) {
      node.string(2, output);
    }
    return node.string(4, operator);
  }

  private static Message value(String name, DataType type, Object... dims) {
    Message shape = new Message();
    for (Object dim : dims) {
      shape.message(
          1,
          dim instanceof Number size
              ? new Message().number(1, size.longValue())
              : new Message().string(2, dim.toString()));
    }
    Message tensor = new Message().number(1, code(type)).message(2, shape);
    return new Message().string(1, name).message(2, new Message().message(1, tensor));
  }

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

  /** A protobuf message in the making. */
  private static final class Message {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final CodedOutputStream out = CodedOutputStream.newInstance(bytes);

    Message number(int field, long value) {
      return write(() -> out.writeInt64(field, value));
    }

    Message string(int field, String value) {
      return write(() -> out.writeString(field, value));
    }

    Message bytes(int field, ByteString value) {
      return write(() -> out.writeBytes(field, value));
    }

    Message message(int field, Message value) {
      return write(() -> out.writeByteArray(field, value.bytes()));
    }

    byte[] bytes() {
      write(out::flush);
      return bytes.toByteArray();
    }

    private Message write(Write write) {
      try {
        write.run();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
      return this;
    }

    private interface Write {
      void run() throws IOException;
    }
  }
}
