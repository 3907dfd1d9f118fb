package io.espalier.catalog;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.index.vector.FloatMatrix;
import io.espalier.inference.ModelException;
import io.espalier.inference.Tensor;
import io.espalier.testing.FunctionRunner;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/** The shop's tokenizer, a model that adds tokens up, and codebooks of one number a code. */
final class AddedTokens {
  static final List<String> WORDS =
      List.of("coffee", "storage", "camera", "garden", "bottle", "running", "camping", "gloves");

  final FunctionRunner runner = new FunctionRunner();
  private final Bundle bundle =
      BundleRepository.open(
              Path.of(System.getProperty("espalier.root", "..")).resolve("model-repo"))
          .get(BundleId.parse("shop-tiger@1"));

  private final Map<String, List<Long>> known = new HashMap<>();

  AddedTokens() {
    runner.model(bundle.model("assign"), AddedTokens::add);
  }

  /**
   * What tells the ids of new items.
   *
   * @param codes a level; the centroid of code c is c
   */
  ItemCoder.NewItems newItems(
      int levels, int codes, Collection<List<Integer>> trained, Map<List<Integer>, int[]> listed) {
    float[] centroids = new float[levels * codes];
    for (int i = 0; i < centroids.length; i++) {
      centroids[i] = i % codes;
    }
    return new ItemCoder.NewItems(
        TextVectors.open(bundle, runner, 1),
        new CodeBook(levels, new FloatMatrix(centroids.length, 1, centroids), trained, listed));
  }

  /** Makes the model fail as a whole on every run that has one of these words among its texts. */
  void failOn(Set<String> words) {
    Set<List<Long>> bad = words.stream().map(this::tokens).collect(Collectors.toSet());
    runner.model(
        bundle.model("assign"),
        inputs -> {
          Tensor ids = inputs.getOrDefault("input_ids", Tensor.ofLongs(new long[0], 0, 0));
          LongBuffer tokens = ids.longs();
          while (tokens.hasRemaining()) {
            long[] row = new long[ids.dim(1)];
            tokens.get(row);
            // Shorter texts end in zeros.
            if (bad.contains(Arrays.stream(row).filter(token -> token != 0).boxed().toList())) {
              throw new ModelException(ModelException.Reason.FAILED, "the fake cannot read that");
            }
          }
          return add(inputs);
        });
  }

  private List<Long> tokens(String word) {
    return known.computeIfAbsent(
        word,
        text -> {
          try (TextVectors vectors = TextVectors.open(bundle, runner, 1)) {
            return Arrays.stream(vectors.tokens(text)).filter(token -> token != 0).boxed().toList();
          }
        });
  }

  /** A text's vector: the sum of its tokens, from 0 to 10. */
  private static Map<String, Tensor> add(Map<String, Tensor> inputs) {
    Tensor ids = inputs.getOrDefault("input_ids", Tensor.ofLongs(new long[0], 0, 0));
    LongBuffer tokens = ids.longs();
    float[] sums = new float[ids.dim(0)];
    for (int i = 0; tokens.hasRemaining(); i++) {
      sums[i / ids.dim(1)] += tokens.get();
    }
    for (int row = 0; row < sums.length; row++) {
      sums[row] %= 11;
    }
    return Map.of("vector", Tensor.ofFloats(sums, sums.length, 1));
  }
}
