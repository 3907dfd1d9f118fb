package io.espalier.retrieval;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.inference.Tensor;
import io.espalier.testing.FunctionRunner;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A COBRA bundle's models whose answers are a hash of history and prefix: log-probabilities on a
 * grid of quarters, vectors of whole lengths. A step finds a beam's codes in what it is given of
 * the steps before, as a real one does.
 */
final class GridCobra {
  static final int WIDTH = 2;

  /** Vectors of length 0, 1, 2 or 5, so that a cosine is one division. */
  static final float[][] GRID = {
    {0, 0}, {1, 0}, {0, 1}, {-1, 0}, {0, -2}, {2, 0}, {3, 4}, {4, 3}, {-3, 4}, {4, -3}
  };

  private final long seed;
  private final int levels;
  private final int codes;

  GridCobra(long seed, int levels, int codes) {
    this.seed = seed;
    this.levels = levels;
    this.codes = codes;
  }

  int codes() {
    return codes;
  }

  /** The state that a history leads to, its events right-aligned in some places. */
  static long request(int places, List<List<Integer>> history, List<float[]> vectors) {
    long[] all = new long[places * (history.isEmpty() ? 0 : history.getFirst().size())];
    float[] given = new float[places * WIDTH];
    int from = places - history.size();
    for (int event = 0; event < places; event++) {
      int width = all.length / places;
      for (int d = 0; d < width; d++) {
        all[event * width + d] = event < from ? -1 : history.get(event - from).get(d);
      }
      if (event >= from) {
        System.arraycopy(vectors.get(event - from), 0, given, event * WIDTH, WIDTH);
      }
    }
    return 31L * Arrays.hashCode(all) + Arrays.hashCode(given);
  }

  double logProb(long request, List<Integer> prefix, int code) {
    int[] before = prefix.stream().mapToInt(c -> c).toArray();
    return new GridModel(seed + request, codes, levels).value(before, code);
  }

  float[] vector(long request, List<Integer> id) {
    long hash = (seed * 31 + request * 17 + id.hashCode()) * 0x9E3779B97F4A7C15L;
    return GRID[(int) ((hash >>> 40) % GRID.length)];
  }

  FunctionRunner serve(FunctionRunner runner) {
    runner.model("prefill", this::prefill);
    for (int level = 1; level < levels; level++) {
      int own = level;
      runner.model("step" + level, inputs -> step(inputs, own));
    }
    return runner.model("dense", this::dense);
  }

  private Map<String, Tensor> prefill(Map<String, Tensor> inputs) {
    LongBuffer history = tensor(inputs, "history").longs();
    FloatBuffer vectors = tensor(inputs, "vectors").floats();
    long[] all = new long[history.remaining()];
    history.get(all);
    float[] given = new float[vectors.remaining()];
    vectors.get(given);
    assertThat(given).hasSize(all.length / levels * WIDTH);
    long request = 31L * Arrays.hashCode(all) + Arrays.hashCode(given);
    return Map.of(
        "log_probs",
        Tensor.ofFloats(logProbs(request, List.of(List.of())), 1, codes),
        "state_request",
        Tensor.ofLongs(new long[] {request}, 1, 1));
  }

  private Map<String, Tensor> step(Map<String, Tensor> inputs, int level) {
    List<List<Integer>> prefixes = prefixes(inputs, level);
    float[] last = new float[prefixes.size()];
    for (int row = 0; row < last.length; row++) {
      last[row] = prefixes.get(row).getLast();
    }
    return Map.of(
        "log_probs",
        Tensor.ofFloats(logProbs(request(inputs), prefixes), 1, last.length, codes),
        "beam_new",
        Tensor.ofFloats(last, 1, last.length, 1, 1));
  }

  private Map<String, Tensor> dense(Map<String, Tensor> inputs) {
    List<List<Integer>> ids = prefixes(inputs, levels);
    float[] vectors = new float[ids.size() * WIDTH];
    for (int row = 0; row < ids.size(); row++) {
      System.arraycopy(vector(request(inputs), ids.get(row)), 0, vectors, row * WIDTH, WIDTH);
    }
    return Map.of("vector", Tensor.ofFloats(vectors, 1, ids.size(), WIDTH));
  }

  private float[] logProbs(long request, List<List<Integer>> prefixes) {
    float[] values = new float[prefixes.size() * codes];
    for (int row = 0; row < prefixes.size(); row++) {
      for (int code = 0; code < codes; code++) {
        values[row * codes + code] = (float) logProb(request, prefixes.get(row), code);
      }
    }
    return values;
  }

  /** Each beam's codes: those before the last as the steps before gave them. */
  private static List<List<Integer>> prefixes(Map<String, Tensor> inputs, int level) {
    Map<String, Tensor> known = new HashMap<>(inputs);
    assertThat(known.remove("beam_cache") != null).isEqualTo(level > 1);
    assertThat(known).containsOnlyKeys("code", "state_request");
    LongBuffer code = tensor(inputs, "code").longs();
    List<List<Integer>> prefixes = new ArrayList<>();
    for (int row = 0; row < code.remaining(); row++) {
      List<Integer> prefix = new ArrayList<>();
      for (int d = 0; d < level - 1; d++) {
        prefix.add((int) tensor(inputs, "beam_cache").floats().get(row * (level - 1) + d));
      }
      prefix.add((int) code.get(row));
      prefixes.add(prefix);
    }
    return prefixes;
  }

  private static long request(Map<String, Tensor> inputs) {
    return tensor(inputs, "state_request").longs().get(0);
  }

  private static Tensor tensor(Map<String, Tensor> inputs, String name) {
    return inputs.getOrDefault(name, Tensor.ofLongs(new long[0], 0));
  }
}
