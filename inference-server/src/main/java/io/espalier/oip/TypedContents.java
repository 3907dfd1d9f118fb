package io.espalier.oip;

import com.google.protobuf.ByteString;
import io.espalier.inference.oip.v2.InferTensorContents;
import io.espalier.inference.oip.v2.ModelInferRequest.InferInputTensor;
import io.espalier.server.RequestException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;

/** Elements that a request sends one by one, as the bytes that it could have sent. */
final class TypedContents {
  private TypedContents() {}

  /** The bytes, in native order, of an input's elements; their number is not looked at. */
  static ByteBuffer bytes(InferInputTensor input, String model) {
    InferTensorContents contents = input.getContents();
    String type = input.getDatatype();
    require(input, model, contents.getBoolContentsCount(), "BOOL", List.of("BOOL"));
    require(input, model, contents.getIntContentsCount(), "INT32", List.of("INT32"));
    require(input, model, contents.getInt64ContentsCount(), "INT64", List.of("INT64"));
    require(input, model, contents.getUintContentsCount(), "UINT32", List.of());
    require(input, model, contents.getUint64ContentsCount(), "UINT64", List.of());
    require(input, model, contents.getFp32ContentsCount(), "FP32", List.of("FP32"));
    require(input, model, contents.getFp64ContentsCount(), "FP64", List.of());
    require(input, model, contents.getBytesContentsCount(), "BYTES", List.of("BYTES"));
    return switch (type) {
      case "BOOL" -> {
        ByteBuffer bytes = buffer(contents.getBoolContentsCount());
        contents.getBoolContentsList().forEach(value -> bytes.put((byte) (value ? 1 : 0)));
        yield bytes.flip();
      }
      case "INT32" -> {
        ByteBuffer bytes = buffer(contents.getIntContentsCount() * 4);
        for (int i = 0; i < contents.getIntContentsCount(); i++) {
          bytes.putInt(contents.getIntContents(i));
        }
        yield bytes.flip();
      }
      case "INT64" -> {
        ByteBuffer bytes = buffer(contents.getInt64ContentsCount() * 8);
        for (int i = 0; i < contents.getInt64ContentsCount(); i++) {
          bytes.putLong(contents.getInt64Contents(i));
        }
        yield bytes.flip();
      }
      case "FP32" -> {
        ByteBuffer bytes = buffer(contents.getFp32ContentsCount() * 4);
        for (int i = 0; i < contents.getFp32ContentsCount(); i++) {
          bytes.putFloat(contents.getFp32Contents(i));
        }
        yield bytes.flip();
      }
      case "BYTES" -> {
        int size = 0;
        for (ByteString element : contents.getBytesContentsList()) {
          size = Math.addExact(size, Integer.BYTES + element.size());
        }
        ByteBuffer bytes = buffer(size);
        for (ByteString element : contents.getBytesContentsList()) {
          bytes.putInt(element.size());
          element.copyTo(bytes);
        }
        yield bytes.flip();
      }
      default -> buffer(0);
    };
  }

  private static void require(
      InferInputTensor input, String model, int elements, String sent, List<String> fits) {
    if (elements > 0 && !fits.contains(input.getDatatype())) {
      throw RequestException.invalidArgument(
          "unexpected explicit tensor data for input tensor '"
              + input.getName()
              + "' for model '"
              + model
              + "' of type '"
              + sent
              + "', expected datatype '"
              + input.getDatatype()
              + "'");
    }
  }

  private static ByteBuffer buffer(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.nativeOrder());
  }
}
