package io.espalier.cli.eval;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.inference.ModelCall;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import io.espalier.inference.text.TextTokenizer;
import io.espalier.inference.text.TokenIds;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.util.Map;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;

/** Unit vectors of queries by the text encoder of a dense retriever: how alike two queries are. */
final class QueryVectors implements AutoCloseable {
  private final EmbeddedModelRunner runner;
  private final TextTokenizer tokenizer;
  private final String model;
  private final int maxTokens;

  private QueryVectors(
      EmbeddedModelRunner runner, TextTokenizer tokenizer, String model, int maxTokens) {
    this.runner = runner;
    this.tokenizer = tokenizer;
    this.model = model;
    this.maxTokens = maxTokens;
  }

  /** The encoder that a DenseText bundle names. */
  static QueryVectors of(BundleRepository repository, Bundle dense) {
    Bundle encoder = repository.get(BundleId.parse(dense.parameters().text("encoder")));
    EmbeddedModelRunner runner = new EmbeddedModelRunner(repository.models());
    try {
      runner.load(encoder.model("encode"));
      return new QueryVectors(
          runner,
          TextTokenizer.load(encoder.file("tokenizer")),
          encoder.model("encode"),
          encoder.parameters().integer("max_tokens"));
    } catch (IOException e) {
      runner.close();
      throw new BundleException("bundle " + encoder.id() + ": files.tokenizer", e);
    } catch (RuntimeException e) {
      runner.close();
      throw e;
    }
  }

  /** Cosine of two texts. */
  double cosine(String a, String b) {
    FloatBuffer x = vector(a);
    FloatBuffer y = vector(b);
    double sum = 0;
    for (int d = 0; d < x.limit(); d++) {
      sum += x.get(d) * y.get(d);
    }
    return sum;
  }

  private FloatBuffer vector(String text) {
    TokenIds tokens = tokenizer.encode(text, maxTokens);
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(EvalReport.CALL_SECONDS);
    try {
      return runner
          .infer(
              new ModelCall(
                  model,
                  Map.of("input_ids", tokens.ids(), "attention_mask", tokens.mask()),
                  deadline))
          .thenApply(outputs -> outputs.getOrDefault("vector", tokens.ids()).floats())
          .join();
    } catch (CompletionException e) {
      throw new IllegalStateException(model + ": " + e.getCause(), e);
    }
  }

  @Override
  public void close() {
    runner.close();
    tokenizer.close();
  }
}
