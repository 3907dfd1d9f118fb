package io.espalier.inference.triton;

import io.espalier.inference.oip.v2.ModelConfig;
import io.espalier.inference.oip.v2.ModelInstanceGroup;

/**
 * How much work of a model may be at the server at once, and how much may wait for that here.
 *
 * <p>At the server: for each instance the batch that it runs and the one that it runs next. Where
 * the model bounds the server's queue, no more calls than the instances and that queue hold, so
 * that the server refuses none for this client's own sake.
 *
 * @param batched whether calls are joined, so that rows are what fills an instance
 * @param work most rows at the server where calls are joined, else most calls
 * @param calls most calls at the server
 * @param waiting most calls of one priority that wait here
 */
record SendLimits(boolean batched, int work, int calls, int waiting) {

  static SendLimits of(ModelConfig config) {
    int instances = 0;
    for (ModelInstanceGroup group : config.getInstanceGroupList()) {
      instances += Math.max(1, group.getCount()) * Math.max(1, group.getGpusCount());
    }
    instances = Math.max(1, instances);
    boolean batched = config.hasDynamicBatching() && config.getMaxBatchSize() > 0;
    int queue = config.getDynamicBatching().getDefaultQueuePolicy().getMaxQueueSize();
    return new SendLimits(
        batched,
        2 * instances * (batched ? config.getMaxBatchSize() : 1),
        queue > 0 ? instances + queue : Integer.MAX_VALUE,
        queue > 0 ? queue : Integer.MAX_VALUE);
  }

  /** What a call takes of {@link #work}. */
  int work(SentCall call) {
    return batched ? call.rows() : 1;
  }
}
