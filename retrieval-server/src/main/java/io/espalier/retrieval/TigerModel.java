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
 * step} gives each further level for all beams at once.
 */
final class TigerModel {
  private final ModelCalls calls;
  private final String prefill;
  private final String step;
  private final int history;
  private final int levels;
  private final int vocabulary;
  private final int[] offsets;

  TigerModel(Bundle bundle, ModelCalls calls) {
    this.calls = calls;
    this.prefill = bundle.model("prefill");
    this.step = bundle.model("step");
    this.history = bundle.parameters().integer("history");
    this.levels = bundle.parameters().integer("levels");
    this.vocabulary = bundle.parameters().integer("vocabulary");
    this.offsets = bundle.parameters().integers("level_offsets");
    if (levels < 1 || offsets.length != levels) {
      throw bundle
          .parameters()
          .wrong("level_offsets", offsets.length + " values", levels + ", one a level");
    }
    if (history < 1) {
      throw bundle.parameters().wrong("history", history, ">= 1");
    }
  }

  int history() {
    return history;
  }

  int levels() {
    return levels;
  }

  /** Whether a code has a token of its level in the vocabulary. */
  boolean hasToken(int level, int code) {
    return code >= 0 && offsets[level] + (long) code < vocabulary;
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
    private final long[] codes;
    private final long deadlineNanos;
    private final Map<String, Tensor> states = new HashMap<>();

    Request(long[] codes, long deadlineNanos) {
      this.codes = codes;
      this.deadlineNanos = deadlineNanos;
    }

    @Override
    public int vocabulary() {
      return vocabulary;
    }

    @Override
    public int tokenOffset(int level) {
      return offsets[level];
    }

    @Override
    public FloatBuffer logProbs(int level, int[] prefixes, int rows) {
      return level == 0 ? prefill() : step(level, prefixes, rows);
    }

    private FloatBuffer prefill() {
      Map<String, Tensor> outputs =
          calls.infer(
              prefill, Map.of("history", Tensor.ofLongs(codes, 1, history, levels)), deadlineNanos);
      outputs.forEach(
          (name, tensor) -> {
            if (name.startsWith("state_")) {
              states.put(name, tensor);
            }
          });
      return ModelCalls.output(outputs, prefill, "log_probs", 1, vocabulary).floats();
    }

    private FloatBuffer step(int level, int[] prefixes, int rows) {
      ByteBuffer prefix = Tensor.allocate(DataType.INT64, 1, rows, level);
      for (int i = 0; i < rows * level; i++) {
        prefix.putLong(prefixes[i]);
      }
      Map<String, Tensor> inputs = new HashMap<>(states);
      inputs.put("prefix", Tensor.wrap(DataType.INT64, prefix.flip(), 1, rows, level));
      Map<String, Tensor> outputs = calls.infer(step, inputs, deadlineNanos);
      return ModelCalls.output(outputs, step, "log_probs", 1, rows, vocabulary).floats();
    }
  }
}
