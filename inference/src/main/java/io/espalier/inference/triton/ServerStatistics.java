package io.espalier.inference.triton;

import io.espalier.inference.oip.v2.InferStatistics;
import io.espalier.inference.oip.v2.ModelStatistics;
import java.time.Duration;

/**
 * What a server has done for a model since it loaded it.
 *
 * @param rows rows of the calls that it answered
 * @param runs batches that it ran
 * @param succeeded calls that it answered
 * @param failed calls that it refused or that failed
 * @param queueTime how long calls waited in its queue, in all
 * @param computeTime how long calls were run, in all: copies and the model itself
 */
public record ServerStatistics(
    long rows, long runs, long succeeded, long failed, Duration queueTime, Duration computeTime) {

  static ServerStatistics of(ModelStatistics statistics) {
    InferStatistics calls = statistics.getInferenceStats();
    return new ServerStatistics(
        statistics.getInferenceCount(),
        statistics.getExecutionCount(),
        calls.getSuccess().getCount(),
        calls.getFail().getCount(),
        Duration.ofNanos(calls.getQueue().getNs()),
        Duration.ofNanos(
            calls.getComputeInput().getNs()
                + calls.getComputeInfer().getNs()
                + calls.getComputeOutput().getNs()));
  }
}
