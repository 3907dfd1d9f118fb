package io.espalier.retrieval;

import io.espalier.bundles.Bundle;
import io.espalier.inference.DataType;
import io.espalier.inference.Tensor;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * A TIGER bundle's models: {@code prefill} encodes a history and gives the first level, {@code
 * step1}, {@code step2} … give one further level each, for all beams at once. What a step has
 * computed of a beam's code is kept and follows the beams.
 */
final class TigerModel {
  private final ModelCalls calls;
  private final String prefill;
  // steps[d] gives level d + 1.
  private final String[] steps;
  private final int[] historySizes;
  private final int levels;
  private final int codes;
  private final int cacheWidth;
  // The last level whose step also gives what a further step reads of its codes.
  private final int lastKept;

  TigerModel(Bundle bundle, ModelCalls calls) {
    this(bundle, calls, bundle.parameters().size("levels") - 2);
  }

  /** The models of a bundle that has a step of its own after the last code. */
  static TigerModel withFurtherStep(Bundle bundle, ModelCalls calls) {
    return new TigerModel(bundle, calls, bundle.parameters().size("levels") - 1);
  }

  private TigerModel(Bundle bundle, ModelCalls calls, int lastKept) {
    this.calls = calls;
    this.lastKept = lastKept;
    this.prefill = bundle.model("prefill");
    this.levels = bundle.parameters().size("levels");
    this.steps = new String[levels - 1];
    for (int step = 0; step < steps.length; step++) {
      steps[step] = bundle.model("step" + (step + 1));
    }
    this.historySizes = historySizes(bundle);
    this.codes = bundle.parameters().size("codes");
    this.cacheWidth = bundle.parameters().size("cache_width");
  }

  private static int[] historySizes(Bundle bundle) {
    int history = bundle.parameters().size("history");
    int[] sizes = bundle.parameters().integers("history_sizes");
    for (int i = 0; i < sizes.length; i++) {
      if (sizes[i] <= (i == 0 ? 0 : sizes[i - 1])) {
        throw bundle
            .parameters()
            .wrong("history_sizes[" + i + "]", sizes[i], "above 0 and the one before");
      }
    }
    if (sizes.length == 0 || sizes[sizes.length - 1] != history) {
      throw bundle
          .parameters()
          .wrong("history_sizes", Arrays.toString(sizes), "up to history, " + history);
    }
    return sizes;
  }

  /** How many places a history of so many events is given: the smallest size that holds it. */
  int places(int events) {
    for (int size : historySizes) {
      if (events <= size) {
        return size;
      }
    }
    return historySizes[historySizes.length - 1];
  }

  /** The places that histories are given, rising. */
  int[] historySizes() {
    return historySizes.clone();
  }

  int levels() {
    return levels;
  }

  /** Codes of a level, from 0. */
  int codes() {
    return codes;
  }

  /**
   * The model for one request.
   *
   * @param codes {@code places × levels} codes, left-padded with −1
   */
  StepModel start(long[] codes, long deadlineNanos) {
    return start(
        Map.of("history", Tensor.ofLongs(codes, 1, codes.length / levels, levels)), deadlineNanos);
  }

  /**
   * The model for one request.
   *
   * @param inputs what prefill takes
   */
  Request start(Map<String, Tensor> inputs, long deadlineNanos) {
    return new Request(inputs, deadlineNanos);
  }

  final class Request implements StepModel {
    private final Map<String, Tensor> history;
    private final long deadlineNanos;
    private final Map<String, Tensor> states = new HashMap<>();
    // Of the rows of the last step: what it was given, and what it made of the newest position.
    private ByteBuffer cache = Tensor.allocate(DataType.FP32, 0);
    private ByteBuffer newest = cache;

    private Request(Map<String, Tensor> history, long deadlineNanos) {
      this.history = history;
      this.deadlineNanos = deadlineNanos;
    }

    @Override
    public int codes() {
      return codes;
    }

    @Override
    public FloatBuffer logProbs(int level, int[] prefixes, int[] parents, int rows) {
      if (level == 0) {
        return prefill();
      }
      String step = steps[level - 1];
      Map<String, Tensor> outputs = step(step, level, prefixes, parents, rows);
      if (level <= lastKept) {
        newest = ModelCalls.output(outputs, step, "beam_new", 1, rows, 1, cacheWidth).data();
      }
      return ModelCalls.output(outputs, step, "log_probs", 1, rows, codes).floats();
    }

    private FloatBuffer prefill() {
      Map<String, Tensor> outputs = calls.infer(prefill, history, deadlineNanos);
      outputs.forEach(
          (name, tensor) -> {
            if (name.startsWith("state_")) {
              states.put(name, tensor);
            }
          });
      return ModelCalls.output(outputs, prefill, "log_probs", 1, codes).floats();
    }

    /** Runs a step on prefixes that continue the last step's rows, as in {@link #logProbs}. */
    Map<String, Tensor> step(String step, int level, int[] prefixes, int[] parents, int rows) {
      ByteBuffer last = Tensor.allocate(DataType.INT64, 1, rows);
      for (int row = 0; row < rows; row++) {
        last.putLong(prefixes[row * level + level - 1]);
      }
      Map<String, Tensor> inputs = new HashMap<>(states);
      inputs.put("code", Tensor.wrap(DataType.INT64, last.flip(), 1, rows));
      if (level > 1) {
        cache = follow(level - 1, parents, rows);
        inputs.put("beam_cache", Tensor.wrap(DataType.FP32, cache, 1, rows, level - 1, cacheWidth));
      }
      return calls.infer(step, inputs, deadlineNanos);
    }

    /** Each row's parent's positions, then the one that the last step added to the parent. */
    private ByteBuffer follow(int written, int[] parents, int rows) {
      ByteBuffer grown = Tensor.allocate(DataType.FP32, rows, written, cacheWidth);
      int position = cacheWidth * DataType.FP32.bytes();
      int kept = (written - 1) * position;
      for (int row = 0; row < rows; row++) {
        int at = row * written * position;
        grown.put(at, cache, parents[row] * kept, kept);
        grown.put(at + kept, newest, parents[row] * position, position);
      }
      return grown;
    }
  }
}
