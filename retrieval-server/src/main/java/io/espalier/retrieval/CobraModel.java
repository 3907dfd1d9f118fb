package io.espalier.retrieval;

import io.espalier.bundles.Bundle;
import io.espalier.inference.Tensor;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A COBRA bundle's models: those of {@link TigerModel} for the sparse id, and {@code dense}, which
 * gives the dense vector that is meant once the id's last code is written.
 */
final class CobraModel {
  private final TigerModel sparse;
  private final String dense;
  private final int width;

  CobraModel(Bundle bundle, ModelCalls calls) {
    this.sparse = TigerModel.withFurtherStep(bundle, calls);
    this.dense = bundle.model("dense");
    this.width = bundle.parameters().size("width");
  }

  TigerModel sparse() {
    return sparse;
  }

  /** Values of a dense vector. */
  int width() {
    return width;
  }

  /**
   * The model for one request.
   *
   * @param codes {@code places × levels} codes, left-padded with −1
   * @param vectors {@code places × width} values of the same events, zeros where there is none
   */
  Request start(long[] codes, float[] vectors, long deadlineNanos) {
    int places = codes.length / sparse.levels();
    Map<String, Tensor> inputs =
        Map.of(
            "history", Tensor.ofLongs(codes, 1, places, sparse.levels()),
            "vectors", Tensor.ofFloats(vectors, 1, places, width));
    return new Request(sparse.start(inputs, deadlineNanos));
  }

  final class Request implements StepModel {
    private final TigerModel.Request request;
    // The row of the last level by its prefix.
    private final Map<List<Integer>, Integer> rows = new HashMap<>();

    private Request(TigerModel.Request request) {
      this.request = request;
    }

    @Override
    public int codes() {
      return request.codes();
    }

    @Override
    public FloatBuffer logProbs(int level, int[] prefixes, int[] parents, int count) {
      if (level == sparse.levels() - 1) {
        for (int row = 0; row < count; row++) {
          rows.put(Arrays.stream(prefixes, row * level, (row + 1) * level).boxed().toList(), row);
        }
      }
      return request.logProbs(level, prefixes, parents, count);
    }

    /** The dense vectors of finished beams, one after another; there is at least one beam. */
    float[] vectors(List<Beam> beams) {
      int levels = sparse.levels();
      int[] prefixes = new int[beams.size() * levels];
      int[] parents = new int[beams.size()];
      for (int b = 0; b < parents.length; b++) {
        List<Integer> codes = beams.get(b).codes();
        for (int d = 0; d < levels; d++) {
          prefixes[b * levels + d] = codes.get(d);
        }
        parents[b] = rows.getOrDefault(codes.subList(0, levels - 1), 0);
      }
      Map<String, Tensor> outputs = request.step(dense, levels, prefixes, parents, parents.length);
      float[] vectors = new float[parents.length * width];
      ModelCalls.output(outputs, dense, "vector", 1, parents.length, width).floats().get(vectors);
      return vectors;
    }
  }
}
