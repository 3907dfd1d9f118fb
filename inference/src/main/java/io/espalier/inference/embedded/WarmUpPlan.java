package io.espalier.inference.embedded;

import io.espalier.inference.ModelSpec;
import io.espalier.inference.ModelSpec.TensorSpec;
import io.espalier.inference.repository.Batching;
import io.espalier.inference.repository.ModelSettings;
import io.espalier.inference.repository.WarmUp;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The calls that run before a model is ready: those that its configuration lists, then one for each
 * batch size that the queue may make, so that no user's call is the first of its size.
 */
final class WarmUpPlan {
  private WarmUpPlan() {}

  /** The calls that the configuration lists. */
  static List<WarmUp> declared(ModelSettings settings) {
    return settings.warmUps();
  }

  /**
   * One call for each bucket: 1, the powers of two and the preferred sizes, up to the largest
   * preferred size, or to the largest batch where none is preferred. They look like the first
   * declared call, else they hold zeros and every open dimension is 1.
   */
  static List<WarmUp> buckets(ModelSettings settings, ModelSpec spec) {
    WarmUp like = settings.warmUps().isEmpty() ? zeros(spec) : settings.warmUps().getFirst();
    List<WarmUp> calls = new ArrayList<>();
    for (int rows : sizes(settings.batching(), spec.maxBatchSize())) {
      calls.add(new WarmUp(like.name(), rows, 1, like.inputs()));
    }
    return calls;
  }

  private static NavigableSet<Integer> sizes(@Nullable Batching batching, int maxBatchSize) {
    NavigableSet<Integer> sizes = new TreeSet<>();
    if (maxBatchSize == 0 || batching == null) {
      sizes.add(Math.min(1, maxBatchSize));
      return sizes;
    }
    sizes.addAll(batching.preferredSizes());
    int largest = sizes.isEmpty() ? maxBatchSize : sizes.last();
    for (int size = 1; size < largest; size *= 2) {
      sizes.add(size);
    }
    sizes.add(largest);
    return sizes;
  }

  private static WarmUp zeros(ModelSpec spec) {
    Map<String, WarmUp.Input> inputs = new HashMap<>();
    for (TensorSpec input : spec.inputs()) {
      List<Long> dims = input.dims().stream().map(dim -> dim == -1 ? 1L : dim).toList();
      inputs.put(input.name(), new WarmUp.Input(input.type(), dims, false, null));
    }
    return new WarmUp("zeros", 0, 1, inputs);
  }
}
