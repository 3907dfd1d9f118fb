package io.espalier.inference;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/**
 * A dense array of numbers, or of texts as bytes: row-major, in a buffer of native byte order, and
 * not changed after it is made.
 *
 * <p>A buffer may be direct or on the heap. A runner copies rows into direct buffers that it owns
 * and uses again, so a tensor that lives for one call is best on the heap: a direct buffer a call
 * is only freed when the garbage collector gets to it.
 */
public final class Tensor {
  private final DataType type;
  private final long[] shape;
  private final ByteBuffer data;

  private Tensor(DataType type, long[] shape, ByteBuffer data) {
    this.type = type;
    this.shape = shape;
    this.data = data;
  }

  /**
   * Wraps a buffer without copying it; the caller does not write to it again.
   *
   * @throws IllegalArgumentException when the buffer is not in native order or not of the shape's
   *     size
   */
  public static Tensor wrap(DataType type, ByteBuffer data, long... shape) {
    Objects.requireNonNull(type, "type");
    if (data.order() != ByteOrder.nativeOrder()) {
      throw new IllegalArgumentException("data: " + data + " (expected: native order)");
    }
    if (type == DataType.BYTES) {
      int elements = split(data).size();
      if (elements != elements(shape)) {
        throw new IllegalArgumentException(
            "data: "
                + elements
                + " elements (expected: "
                + elements(shape)
                + " for "
                + type
                + Arrays.toString(shape)
                + ")");
      }
      return new Tensor(type, shape.clone(), data.slice().order(ByteOrder.nativeOrder()));
    }
    long expected = Math.multiplyExact(elements(shape), type.bytes());
    if (data.remaining() != expected) {
      throw new IllegalArgumentException(
          "data: "
              + data.remaining()
              + " bytes (expected: "
              + expected
              + " for "
              + type
              + Arrays.toString(shape)
              + ")");
    }
    return new Tensor(type, shape.clone(), data.slice().order(ByteOrder.nativeOrder()));
  }

  /** Copies floats. */
  public static Tensor ofFloats(float[] values, long... shape) {
    ByteBuffer buffer = allocate(DataType.FP32, shape);
    if (values.length * 4L != buffer.capacity()) {
      throw new IllegalArgumentException(
          "values: "
              + values.length
              + " (expected: "
              + elements(shape)
              + " for "
              + Arrays.toString(shape)
              + ")");
    }
    buffer.asFloatBuffer().put(values);
    return wrap(DataType.FP32, buffer, shape);
  }

  /** Copies longs. */
  public static Tensor ofLongs(long[] values, long... shape) {
    ByteBuffer buffer = allocate(DataType.INT64, shape);
    if (values.length * 8L != buffer.capacity()) {
      throw new IllegalArgumentException(
          "values: "
              + values.length
              + " (expected: "
              + elements(shape)
              + " for "
              + Arrays.toString(shape)
              + ")");
    }
    buffer.asLongBuffer().put(values);
    return wrap(DataType.INT64, buffer, shape);
  }

  /** Copies elements of any length. */
  public static Tensor ofBytes(List<byte[]> elements, long... shape) {
    int size = 0;
    for (byte[] element : elements) {
      size = Math.addExact(size, DataType.BYTES.bytes() + element.length);
    }
    ByteBuffer buffer = ByteBuffer.allocate(size).order(ByteOrder.nativeOrder());
    for (byte[] element : elements) {
      buffer.putInt(element.length).put(element);
    }
    return wrap(DataType.BYTES, buffer.flip(), shape);
  }

  /**
   * Cuts up bytes in native order into elements of any length, each after its length.
   *
   * @throws IllegalArgumentException when the last one is cut off
   */
  public static List<ByteBuffer> split(ByteBuffer data) {
    ByteBuffer left = data.asReadOnlyBuffer().order(ByteOrder.nativeOrder());
    List<ByteBuffer> elements = new ArrayList<>();
    while (left.hasRemaining()) {
      int length = left.remaining() < DataType.BYTES.bytes() ? -1 : left.getInt();
      if (length < 0 || length > left.remaining()) {
        throw new IllegalArgumentException(
            "data: element "
                + elements.size()
                + " is cut off (expected: its length, then as many"
                + " bytes)");
      }
      elements.add(left.slice(left.position(), length));
      left.position(left.position() + length);
    }
    return elements;
  }

  /** A buffer of native order that holds a tensor of this type and shape, all zero or empty. */
  public static ByteBuffer allocate(DataType type, long... shape) {
    return ByteBuffer.allocate(Math.toIntExact(Math.multiplyExact(elements(shape), type.bytes())))
        .order(ByteOrder.nativeOrder());
  }

  private static long elements(long[] shape) {
    long n = 1;
    for (long d : shape) {
      if (d < 0) {
        throw new IllegalArgumentException(
            "shape: " + Arrays.toString(shape) + " (expected: no negative dimension)");
      }
      n = Math.multiplyExact(n, d);
    }
    return n;
  }

  public DataType type() {
    return type;
  }

  public long[] shape() {
    return shape.clone();
  }

  /** Number of dimensions. */
  public int rank() {
    return shape.length;
  }

  /** Number of bytes. */
  public int byteSize() {
    return data.capacity();
  }

  /** Size of one dimension. */
  public int dim(int axis) {
    return Math.toIntExact(shape[axis]);
  }

  /** The bytes: a read-only view with a position of its own. */
  public ByteBuffer data() {
    return data.asReadOnlyBuffer().order(ByteOrder.nativeOrder());
  }

  /** The elements as floats; the type must be FP32. */
  public FloatBuffer floats() {
    require(DataType.FP32);
    return data().asFloatBuffer();
  }

  /** The elements as longs; the type must be INT64. */
  public LongBuffer longs() {
    require(DataType.INT64);
    return data().asLongBuffer();
  }

  /** The elements, each by itself; the type must be BYTES. */
  public List<ByteBuffer> elements() {
    require(DataType.BYTES);
    return split(data);
  }

  private void require(DataType expected) {
    if (type != expected) {
      throw new IllegalStateException("type: " + type + " (expected: " + expected + ")");
    }
  }

  @Override
  public String toString() {
    return type + Arrays.toString(shape);
  }
}
