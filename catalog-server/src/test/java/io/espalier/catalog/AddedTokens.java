package io.espalier.catalog;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.index.vector.FloatMatrix;
import io.espalier.inference.Tensor;
import io.espalier.testing.FunctionRunner;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;

/** The shop's tokenizer, a model that adds tokens up, and codebooks of one number a code. */
final class AddedTokens {
  static final List<String> WORDS =
      List.of("coffee", "storage", "camera", "garden", "bottle", "running", "camping", "gloves");

  final FunctionRunner runner = new FunctionRunner();
  private final Bundle bundle =
      BundleRepository.open(
              Path.of(System.getProperty("espalier.root", "..")).resolve("model-repo"))
          .get(BundleId.parse("shop-tiger@1"));

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
