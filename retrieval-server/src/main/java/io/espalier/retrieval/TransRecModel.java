package io.espalier.retrieval;

import io.espalier.bundles.Bundle;
import io.espalier.inference.DataType;
import io.espalier.inference.Tensor;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.Map;

/**
 * The models of a TransRec bundle: {@code prefill} reads the history once, into a vector; a step
 * reads one token more of every n-gram. What a step kept of an n-gram follows it.
 */
final class TransRecModel {
  private final ModelCalls calls;
  private final String prefill;
  private final String step;
  private final int history;
  private final int width;
  private final int state;
  private final int tokens;

  TransRecModel(Bundle bundle, ModelCalls calls, int tokens) {
    this.calls = calls;
    this.prefill = bundle.model("prefill");
    this.step = bundle.model("step");
    this.history = bundle.parameters().size("history");
    this.width = bundle.parameters().size("width");
    this.state = bundle.parameters().size("state");
    this.tokens = tokens;
  }

  /**
   * The model for one request.
   *
   * @param items the bundle's indices of the history's items, oldest first
   */
  NgramModel start(int[] items, long deadlineNanos) {
    Map<String, Tensor> outputs =
        calls.infer(
            prefill,
            Map.of("history", Tensor.ofLongs(History.fitLongs(items, history), 1, history)),
            deadlineNanos);
    return new Request(ModelCalls.output(outputs, prefill, "user", 1, width), deadlineNanos);
  }

  private final class Request implements NgramModel {
    private final Tensor user;
    private final long deadlineNanos;
    // Of the rows of the last step; zeros before the first.
    private ByteBuffer states = Tensor.allocate(DataType.FP32, 0);

    Request(Tensor user, long deadlineNanos) {
      this.user = user;
      this.deadlineNanos = deadlineNanos;
    }

    @Override
    public int tokens() {
      return tokens;
    }

    @Override
    public FloatBuffer logProbs(int[] read, int[] parents) {
      int rows = read.length;
      ByteBuffer last = Tensor.allocate(DataType.INT64, 1, rows);
      for (int token : read) {
        last.putLong(token);
      }
      Map<String, Tensor> outputs =
          calls.infer(
              step,
              Map.of(
                  "user", user,
                  "token", Tensor.wrap(DataType.INT64, last.flip(), 1, rows),
                  "state", Tensor.wrap(DataType.FP32, follow(parents), 1, rows, state)),
              deadlineNanos);
      states = ModelCalls.output(outputs, step, "next_state", 1, rows, state).data();
      return ModelCalls.output(outputs, step, "log_probs", 1, rows, tokens).floats();
    }

    private ByteBuffer follow(int[] parents) {
      ByteBuffer followed = Tensor.allocate(DataType.FP32, parents.length, state);
      int row = state * DataType.FP32.bytes();
      if (states.capacity() > 0) {
        for (int at = 0; at < parents.length; at++) {
          followed.put(at * row, states, parents[at] * row, row);
        }
      }
      return followed;
    }
  }
}
