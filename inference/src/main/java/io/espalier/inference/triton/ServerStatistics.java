package io.espalier.inference.triton;

import io.espalier.inference.oip.v2.InferStatistics;
import io.espalier.inference.oip.v2.ModelStatistics;
import java.time.Duration;
import java.util.List;

/**
 * What servers have done for a model since they loaded it.
 *
 * @param rows rows of the calls that they answered
 * @param runs batches that they ran
 * @param succeeded calls that they answered
 * @param failed calls that they refused or that failed
 * @param queueTime how long calls waited in their queues, in all
 * @param computeTime how long calls were run, in all: copies and the model itself
 */
public record ServerStatistics(
    long rows, long runs, long succeeded, long failed, Duration queueTime, Duration computeTime) {

  /** The sum of what several servers have done for a model. */
  static ServerStatistics of(List<ModelStatistics> servers) {
    long rows = 0;
    long runs = 0;
    long succeeded = 0;
    long failed = 0;
    long queueNanos = 0;
    long computeNanos = 0;
    for (ModelStatistics statistics : servers) {
      InferStatistics calls = statistics.getInferenceStats();
      rows += statistics.getInferenceCount();
      runs += statistics.getExecutionCount();
      succeeded += calls.getSuccess().getCount();
      failed += calls.getFail().getCount();
      queueNanos += calls.getQueue().getNs();
      computeNanos +=
          calls.getComputeInput().getNs()
              + calls.getComputeInfer().getNs()
              + calls.getComputeOutput().getNs();
    }
    return new ServerStatistics(
        rows,
        runs,
        succeeded,
        failed,
        Duration.ofNanos(queueNanos),
        Duration.ofNanos(computeNanos));
  }
}
