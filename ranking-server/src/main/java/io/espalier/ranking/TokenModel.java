package io.espalier.ranking;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.inference.text.TextTokenizer;
import io.espalier.inference.text.TokenIds;
import io.espalier.ranking.ModelCalls.Pending;
import java.io.IOException;
import java.util.Map;

/** A model that reads a text's tokens, and the tokenizer that it was trained with. */
final class TokenModel implements AutoCloseable {
  private final TextTokenizer tokenizer;
  private final String model;
  private final String output;
  private final int maxTokens;

  private TokenModel(TextTokenizer tokenizer, String model, String output, int maxTokens) {
    this.tokenizer = tokenizer;
    this.model = model;
    this.output = output;
    this.maxTokens = maxTokens;
  }

  /** The model of a bundle's part, with the bundle's tokenizer. */
  static TokenModel load(Bundle bundle, String part, String output) {
    String model = bundle.model(part);
    int maxTokens = bundle.parameters().size("max_tokens");
    try {
      return new TokenModel(TextTokenizer.load(bundle.file("tokenizer")), model, output, maxTokens);
    } catch (IOException e) {
      throw new BundleException("bundle " + bundle.id() + ": " + e.getMessage(), e);
    }
  }

  Pending start(String text, ModelCalls calls) {
    TokenIds tokens = tokenizer.encode(text, maxTokens);
    return calls.start(
        model, Map.of("input_ids", tokens.ids(), "attention_mask", tokens.mask()), output);
  }

  String model() {
    return model;
  }

  @Override
  public void close() {
    tokenizer.close();
  }
}
