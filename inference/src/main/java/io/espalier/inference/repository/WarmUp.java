package io.espalier.inference.repository;

import com.google.protobuf.ByteString;
import io.espalier.inference.DataType;
import io.espalier.inference.Tensor;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/**
 * A made-up call that runs before the model is ready.
 *
 * @param name what the model's configuration calls it
 * @param rows its batch size; 0 for a model without a batch dimension
 * @param runs how often it runs
 * @param inputs what each input holds
 */
public record WarmUp(String name, int rows, int runs, Map<String, Input> inputs) {
  public WarmUp {
    inputs = Map.copyOf(inputs);
  }

  /**
   * The contents of one input.
   *
   * @param type element type
   * @param dims shape without the batch dimension
   * @param random random floats in [0, 1), or 0 and 1 for whole numbers, in place of zeros
   * @param data the bytes of all rows, in place of zeros
   */
  public record Input(DataType type, List<Long> dims, boolean random, @Nullable ByteString data) {
    public Input {
      dims = List.copyOf(dims);
    }
  }

  /**
   * The tensors of this call with another batch size; where the data came from a file its rows
   * repeat.
   *
   * @param batch rows; 0 leaves the batch dimension out
   */
  public Map<String, Tensor> tensors(int batch) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    inputs.forEach((input, contents) -> tensors.put(input, tensor(contents, batch)));
    return tensors;
  }

  private static Tensor tensor(Input input, int batch) {
    long[] shape = new long[input.dims().size() + (batch > 0 ? 1 : 0)];
    int axis = 0;
    if (batch > 0) {
      shape[axis++] = batch;
    }
    for (long dim : input.dims()) {
      shape[axis++] = dim;
    }
    if (input.type() == DataType.BYTES && input.data() != null) {
      return texts(input.data(), shape);
    }
    ByteBuffer buffer = Tensor.allocate(input.type(), shape);
    if (input.data() != null) {
      ByteString data = input.data();
      while (buffer.hasRemaining() && !data.isEmpty()) {
        data.substring(0, Math.min(data.size(), buffer.remaining())).copyTo(buffer);
      }
    } else if (input.random() && input.type() != DataType.BYTES) {
      fillRandomly(input.type(), buffer);
    }
    return Tensor.wrap(input.type(), buffer.clear(), shape);
  }

  /** Elements of any length from a file, again and again as often as the shape asks. */
  private static Tensor texts(ByteString data, long[] shape) {
    List<ByteBuffer> elements = Tensor.split(data.asReadOnlyByteBuffer());
    int size = Math.toIntExact(Arrays.stream(shape).reduce(1, Math::multiplyExact));
    List<byte[]> filled = new ArrayList<>();
    for (int i = 0; i < size && !elements.isEmpty(); i++) {
      ByteBuffer element = elements.get(i % elements.size()).duplicate();
      byte[] bytes = new byte[element.remaining()];
      element.get(bytes);
      filled.add(bytes);
    }
    return Tensor.ofBytes(filled, shape);
  }

  private static void fillRandomly(DataType type, ByteBuffer buffer) {
    Random random = new Random(0);
    while (buffer.hasRemaining()) {
      switch (type) {
        case BOOL -> buffer.put((byte) random.nextInt(2));
        case INT32 -> buffer.putInt(random.nextInt(2));
        case INT64 -> buffer.putLong(random.nextInt(2));
        case FP16 -> buffer.putShort(Float.floatToFloat16(random.nextFloat()));
        case FP32 -> buffer.putFloat(random.nextFloat());
        case BYTES -> throw new IllegalArgumentException("BYTES (expected: numbers)");
      }
    }
  }
}
