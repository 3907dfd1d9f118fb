package io.espalier.inference.embedded;

import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.Tensor;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Tensors of bytes as the strings that ONNX Runtime takes in Java, which are UTF-8.
 *
 * <p>Its bindings hand a character beyond U+FFFF to the graph as two surrogates of three bytes
 * each, and take it back so: it passes through whole, but a table inside a graph does not find it.
 */
final class Texts {
  private Texts() {}

  /** The elements of several calls' tensors, one tensor after the other. */
  static String[] of(String what, List<Tensor> tensors) {
    List<String> texts = new ArrayList<>();
    for (Tensor tensor : tensors) {
      for (ByteBuffer element : tensor.elements()) {
        try {
          texts.add(StandardCharsets.UTF_8.newDecoder().decode(element).toString());
        } catch (CharacterCodingException e) {
          throw new ModelException(
              Reason.INVALID_INPUT, what + ": element " + texts.size() + ": not UTF-8", e);
        }
      }
    }
    return texts.toArray(String[]::new);
  }

  /** Some of the elements as a tensor. */
  static Tensor tensor(List<String> texts, long[] shape) {
    return Tensor.ofBytes(
        texts.stream().map(text -> text.getBytes(StandardCharsets.UTF_8)).toList(), shape);
  }

  /** The strings of an array of arrays of any depth. */
  static List<String> flat(Object value) {
    if (value instanceof String text) {
      return List.of(text);
    }
    List<String> texts = new ArrayList<>();
    for (Object part : Arrays.asList((Object[]) value)) {
      texts.addAll(flat(part));
    }
    return texts;
  }
}
