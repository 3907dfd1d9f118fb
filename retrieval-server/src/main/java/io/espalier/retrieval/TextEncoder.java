package io.espalier.retrieval;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.inference.Tensor;
import io.espalier.inference.text.TextTokenizer;
import io.espalier.inference.text.TokenIds;
import java.io.IOException;
import java.util.Map;

/** Turns a query into one vector of unit length: tokenizer, then a small transformer. */
final class TextEncoder implements VectorSearch.Encoder, AutoCloseable {
  private final ModelCalls calls;
  private final TextTokenizer tokenizer;
  private final String model;
  private final int maxTokens;
  private final int width;

  private TextEncoder(
      ModelCalls calls, TextTokenizer tokenizer, String model, int maxTokens, int width) {
    this.calls = calls;
    this.tokenizer = tokenizer;
    this.model = model;
    this.maxTokens = maxTokens;
    this.width = width;
  }

  static TextEncoder open(Bundle bundle, ModelCalls calls) {
    String model = bundle.model("encode");
    int maxTokens = bundle.parameters().size("max_tokens");
    int width = bundle.parameters().size("width");
    try {
      return new TextEncoder(
          calls, TextTokenizer.load(bundle.file("tokenizer")), model, maxTokens, width);
    } catch (IOException e) {
      throw new BundleException("bundle " + bundle.id() + ": files.tokenizer", e);
    }
  }

  int width() {
    return width;
  }

  @Override
  public float[] encode(Question question, int[] history) {
    TokenIds tokens = tokenizer.encode(question.query(), maxTokens);
    Map<String, Tensor> outputs =
        calls.infer(
            model,
            Map.of("input_ids", tokens.ids(), "attention_mask", tokens.mask()),
            question.deadlineNanos());
    float[] vector = new float[width];
    ModelCalls.output(outputs, model, "vector", 1, width).floats().get(vector);
    return vector;
  }

  @Override
  public void close() {
    tokenizer.close();
  }
}
