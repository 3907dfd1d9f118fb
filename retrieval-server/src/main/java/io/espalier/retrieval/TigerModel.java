package io.espalier.retrieval;

import io.espalier.bundles.Bundle;
import io.espalier.inference.DataType;
import io.espalier.inference.Tensor;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.HashMap;
import java.util.Map;

/**
 * A TIGER bundle's two models: {@code prefill} encodes a history and gives the first level, {@code
 * step} gives each further level for all beams at once. What {@code step} has computed of a beam's
 * own positions is kept and follows the beams.
 */
final class TigerModel {
  private final ModelCalls calls;
  private final String prefill;
  private final String step;
  private final int history;
  private final int levels;
  private final int codes;
  private final int cacheWidth;

  TigerModel(Bundle bundle, ModelCalls calls) {
    this.calls = calls;
    this.prefill = bundle.model("prefill");
    this.step = bundle.model("step");
    this.history = positive(bundle, "history");
    this.levels = positive(bundle, "levels");
    this.codes = positive(bundle, "codes");
    this.cacheWidth = positive(bundle, "cache_width");
  }

  private static int positive(Bundle bundle, String name) {
    int value = bundle.parameters().integer(name);
    if (value < 1) {
      throw bundle.parameters().wrong(name, value, ">= 1");
    }
    return value;
  }

  int history() {
    return history;
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
   * @param codes {@code history × levels} codes, left-padded with −1
   */
  StepModel start(long[] codes, long deadlineNanos) {
    return new Request(codes, deadlineNanos);
  }

  private final class Request implements StepModel {
    private final long[] history;
    private final long deadlineNanos;
    private final Map<String, Tensor> states = new HashMap<>();
    // Of the rows of the last step: what it was given, and what it made of the newest position.
    private ByteBuffer cache = Tensor.allocate(DataType.FP32, 0);
    private ByteBuffer newest = cache;

    Request(long[] history, long deadlineNanos) {
      this.history = history;
      this.deadlineNanos = deadlineNanos;
    }

    @Override
    public int codes() {
      return codes;
    }

    @Override
    public FloatBuffer logProbs(int level, int[] prefixes, int[] parents, int rows) {
      return level == 0 ? prefill() : step(level, prefixes, parents, rows);
    }

    private FloatBuffer prefill() {
      Map<String, Tensor> outputs =
          calls.infer(
              prefill,
              Map.of("history", Tensor.ofLongs(history, 1, TigerModel.this.history, levels)),
              deadlineNanos);
      outputs.forEach(
          (name, tensor) -> {
            if (name.startsWith("state_")) {
              states.put(name, tensor);
            }
          });
      return ModelCalls.output(outputs, prefill, "log_probs", 1, codes).floats();
    }

    private FloatBuffer step(int level, int[] prefixes, int[] parents, int rows) {
      int written = level - 1;
      ByteBuffer last = Tensor.allocate(DataType.INT64, 1, rows);
      for (int row = 0; row < rows; row++) {
        last.putLong(prefixes[row * level + written]);
      }
      cache = follow(written, parents, rows);
      Map<String, Tensor> inputs = new HashMap<>(states);
      inputs.put("code", Tensor.wrap(DataType.INT64, last.flip(), 1, rows));
      inputs.put("beam_cache", Tensor.wrap(DataType.FP32, cache, 1, rows, written, cacheWidth));
      Map<String, Tensor> outputs = calls.infer(step, inputs, deadlineNanos);
      newest = ModelCalls.output(outputs, step, "beam_new", 1, rows, 1, cacheWidth).data();
      return ModelCalls.output(outputs, step, "log_probs", 1, rows, codes).floats();
    }

    /** Each row's parent's positions, then the one that the last step added to the parent. */
    private ByteBuffer follow(int written, int[] parents, int rows) {
      ByteBuffer grown = Tensor.allocate(DataType.FP32, rows, written, cacheWidth);
      if (written > 0) {
        int position = cacheWidth * DataType.FP32.bytes();
        int kept = (written - 1) * position;
        for (int row = 0; row < rows; row++) {
          int at = row * written * position;
          grown.put(at, cache, parents[row] * kept, kept);
          grown.put(at + kept, newest, parents[row] * position, position);
        }
      }
      return grown;
    }
  }
}
