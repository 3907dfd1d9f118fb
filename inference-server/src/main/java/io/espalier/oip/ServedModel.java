package io.espalier.oip;

import io.espalier.inference.ModelSpec;
import io.espalier.inference.repository.ModelSettings;

/**
 * A loaded model.
 *
 * @param settings what its folder says
 * @param spec its tensors, from its graph where the folder leaves them out
 */
record ServedModel(ModelSettings settings, ModelSpec spec) {
  String name() {
    return spec.name();
  }

  boolean batched() {
    return spec.maxBatchSize() > 0;
  }

  /**
   * The engine's priority, 0 first, of a request's: levels count from 1, and one that the model
   * does not have is its default.
   */
  int priority(long level) {
    if (settings.batching() == null || settings.batching().priorityLevels() == 0) {
      return 0;
    }
    return (int)
            (level < 1 || level > settings.batching().priorityLevels()
                ? settings.config().getDynamicBatching().getDefaultPriorityLevel()
                : level)
        - 1;
  }
}
