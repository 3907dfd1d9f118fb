package io.espalier.catalog;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.bundles.Parameters;
import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.ModelRunner;
import io.espalier.inference.Tensor;
import io.espalier.inference.text.TextTokenizer;
import io.espalier.stores.catalog.CatalogItem;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.stream.Stream;

/** Texts of items to vectors, by the model {@code assign} of one bundle. */
final class TextVectors implements AutoCloseable {
  private static final Duration PATIENCE = Duration.ofSeconds(10);

  private final ModelRunner runner;
  private final TextTokenizer tokenizer;
  private final String model;
  private final int batch;
  private final int maxTokens;
  private final int unknown;
  private final int width;

  private TextVectors(
      ModelRunner runner, TextTokenizer tokenizer, Bundle bundle, Parameters assign, int width) {
    this.runner = runner;
    this.tokenizer = tokenizer;
    this.model = bundle.model("assign");
    this.batch = Math.max(1, runner.spec(model).maxBatchSize());
    this.maxTokens = assign.size("max_tokens");
    this.unknown = assign.integer("unknown");
    this.width = width;
  }

  /**
   * The vectors of a bundle.
   *
   * @param width floats of a vector, which the bundle's codebooks say
   */
  static TextVectors open(Bundle bundle, ModelRunner runner, int width) {
    try {
      TextTokenizer tokenizer = TextTokenizer.load(bundle.file("assign_tokenizer"));
      return new TextVectors(runner, tokenizer, bundle, bundle.parameters().map("assign"), width);
    } catch (IOException e) {
      throw new BundleException("bundle " + bundle.id() + ": files.assign_tokenizer", e);
    }
  }

  /** What an item says of itself, as the recipes put it together; empty when it says nothing. */
  static String text(CatalogItem item) {
    List<String> names = item.category().stream().filter(name -> !name.isEmpty()).toList();
    String category = String.join(" ", names.subList(Math.max(0, names.size() - 2), names.size()));
    return String.join(
        ". ", Stream.of(item.title(), item.brand(), category).filter(t -> !t.isEmpty()).toList());
  }

  /**
   * The vectors of texts, in one model call for as many as it takes.
   *
   * @return by text; those of which no word is known are left out
   * @throws ModelException when the model cannot be run
   */
  Map<String, float[]> encode(Collection<String> texts) {
    List<String> known = new ArrayList<>();
    List<long[]> tokens = new ArrayList<>();
    for (String text : texts) {
      long[] ids = tokens(text);
      if (Arrays.stream(ids).anyMatch(id -> id != unknown)) {
        known.add(text);
        tokens.add(ids);
      }
    }
    Map<String, float[]> vectors = HashMap.newHashMap(known.size());
    for (int from = 0; from < known.size(); from += batch) {
      int to = Math.min(from + batch, known.size());
      FloatBuffer found = infer(tokens.subList(from, to));
      for (String text : known.subList(from, to)) {
        float[] vector = new float[width];
        found.get(vector);
        vectors.put(text, vector);
      }
    }
    return vectors;
  }

  /** The tokens of a text, at most as many as the model takes. */
  long[] tokens(String text) {
    long[] ids = new long[0];
    if (!text.isEmpty()) {
      Tensor tensor = tokenizer.encode(text, maxTokens).ids();
      ids = new long[tensor.dim(1)];
      tensor.longs().get(ids);
    }
    return ids;
  }

  private FloatBuffer infer(List<long[]> tokens) {
    int rows = tokens.size();
    int longest = tokens.stream().mapToInt(ids -> ids.length).max().orElseThrow();
    long[] ids = new long[rows * longest];
    long[] mask = new long[rows * longest];
    for (int row = 0; row < rows; row++) {
      int length = tokens.get(row).length;
      System.arraycopy(tokens.get(row), 0, ids, row * longest, length);
      Arrays.fill(mask, row * longest, row * longest + length, 1);
    }
    Map<String, Tensor> inputs =
        Map.of(
            "input_ids", Tensor.ofLongs(ids, rows, longest),
            "attention_mask", Tensor.ofLongs(mask, rows, longest));
    Tensor vectors = outputs(inputs).get("vector");
    if (vectors == null || !Arrays.equals(vectors.shape(), new long[] {rows, width})) {
      throw new ModelException(
          Reason.FAILED,
          "model %s: vector: %s (expected: [%d, %d])".formatted(model, vectors, rows, width));
    }
    return vectors.floats();
  }

  private Map<String, Tensor> outputs(Map<String, Tensor> inputs) {
    try {
      return runner
          .infer(new ModelCall(model, inputs, System.nanoTime() + PATIENCE.toNanos()))
          .get();
    } catch (ExecutionException e) {
      throw e.getCause() instanceof ModelException refusal
          ? refusal
          : new ModelException(Reason.FAILED, "model " + model, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new ModelException(Reason.EXPIRED, "model " + model + ": interrupted", e);
    }
  }

  @Override
  public void close() {
    tokenizer.close();
  }
}
