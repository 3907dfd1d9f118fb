package io.espalier.loadtest;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import io.espalier.inference.oip.v2.ModelInferRequest;
import io.espalier.inference.oip.v2.ModelInferRequest.InferInputTensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** A user's history as tensors of the Open Inference Protocol. */
final class HistoryTensors {
  private HistoryTensors() {}

  /**
   * The request of one user: {@code history}, ids of shape [1, n], and {@code k}, INT32 of shape
   * [1, 1].
   */
  static ModelInferRequest request(String model, List<String> history, int k) {
    return ModelInferRequest.newBuilder()
        .setModelName(model)
        .addInputs(
            InferInputTensor.newBuilder()
                .setName("history")
                .setDatatype("BYTES")
                .addShape(1)
                .addShape(history.size()))
        .addInputs(
            InferInputTensor.newBuilder().setName("k").setDatatype("INT32").addShape(1).addShape(1))
        .addRawInputContents(texts(history))
        .addRawInputContents(
            UnsafeByteOperations.unsafeWrap(littleEndian(Integer.BYTES).putInt(k).flip()))
        .build();
  }

  /** Each text behind its length. */
  private static ByteString texts(List<String> texts) {
    List<byte[]> all = texts.stream().map(text -> text.getBytes(StandardCharsets.UTF_8)).toList();
    int size = all.stream().mapToInt(text -> Integer.BYTES + text.length).sum();
    ByteBuffer bytes = littleEndian(size);
    all.forEach(text -> bytes.putInt(text.length).put(text));
    return UnsafeByteOperations.unsafeWrap(bytes.flip());
  }

  private static ByteBuffer littleEndian(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }
}
