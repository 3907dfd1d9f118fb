package io.espalier.retrieval;

import io.espalier.bundles.Bundle;
import io.espalier.inference.Tensor;
import java.util.Map;

/** E4SRec (Li et al., 2023): a language model reads a history of item ids into one vector. */
final class E4SRecEncoder implements VectorSearch.Encoder {
  private final ModelCalls calls;
  private final String model;
  private final int history;
  private final int width;

  E4SRecEncoder(Bundle bundle, ModelCalls calls) {
    this.calls = calls;
    this.model = bundle.model("user");
    this.history = bundle.parameters().size("history");
    this.width = bundle.parameters().size("width");
  }

  int width() {
    return width;
  }

  @Override
  public float[] encode(Question question, int[] items) {
    Map<String, Tensor> outputs =
        calls.infer(
            model,
            Map.of("history", Tensor.ofLongs(History.fitLongs(items, history), 1, history)),
            question.deadlineNanos());
    float[] user = new float[width];
    ModelCalls.output(outputs, model, "user", 1, width).floats().get(user);
    return user;
  }
}
