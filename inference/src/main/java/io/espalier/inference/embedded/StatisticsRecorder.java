package io.espalier.inference.embedded;

import io.espalier.inference.embedded.CallStatistics.RunTime;
import io.espalier.inference.embedded.CallStatistics.Runs;
import io.espalier.inference.embedded.CallStatistics.Spent;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Adds up one model's {@link CallStatistics}; one lock a run, not one a call. */
final class StatisticsRecorder {
  private final Map<Integer, Runs> byRows = new HashMap<>();
  private long lastRunMillis;
  private long rows;
  private long runs;
  private Spent success = Spent.NOTHING;
  private Spent fail = Spent.NOTHING;
  private Spent cancel = Spent.NOTHING;
  private Spent queue = Spent.NOTHING;
  private Spent input = Spent.NOTHING;
  private Spent infer = Spent.NOTHING;
  private Spent output = Spent.NOTHING;

  /** A run of these calls has ended well. */
  synchronized void ran(List<QueuedCall> calls, int runRows, long startNanos, RunTime time) {
    long now = System.nanoTime();
    lastRunMillis = System.currentTimeMillis() - (now - startNanos) / 1_000_000;
    rows += runRows;
    runs++;
    byRows.put(runRows, byRows.getOrDefault(runRows, new Runs(0, 0, 0, 0)).plus(time));
    int count = calls.size();
    for (QueuedCall call : calls) {
      success = success.plus(1, now - call.enqueuedNanos());
      queue = queue.plus(1, startNanos - call.enqueuedNanos());
    }
    input = input.plus(count, count * time.inputNanos());
    infer = infer.plus(count, count * time.inferNanos());
    output = output.plus(count, count * time.outputNanos());
  }

  synchronized void failed(long nanos) {
    fail = fail.plus(1, nanos);
  }

  synchronized void cancelled(long nanos) {
    cancel = cancel.plus(1, nanos);
  }

  synchronized CallStatistics snapshot() {
    return new CallStatistics(
        lastRunMillis, rows, runs, success, fail, cancel, queue, input, infer, output, byRows);
  }
}
