package io.espalier.inference.embedded;

import java.util.Map;

/**
 * What became of a model's calls since it was loaded, and how long that took: Triton's statistics.
 *
 * @param lastRunMillis when its last run started, in milliseconds of the epoch; 0 before the first
 * @param rows rows that were run
 * @param runs runs, each of one call or of several that joined
 * @param success calls that were answered, with their time in the queue
 * @param fail calls that were refused or failed once they had been checked
 * @param cancel calls whose caller gave up
 * @param queue time in the queue; here and below every call of a run counts the whole time
 * @param input gathering inputs
 * @param infer the engine's run
 * @param output copying outputs out
 * @param byRows runs by their number of rows
 */
public record CallStatistics(
    long lastRunMillis,
    long rows,
    long runs,
    Spent success,
    Spent fail,
    Spent cancel,
    Spent queue,
    Spent input,
    Spent infer,
    Spent output,
    Map<Integer, Runs> byRows) {
  public CallStatistics {
    byRows = Map.copyOf(byRows);
  }

  /** How often, and how many nanoseconds in all. */
  public record Spent(long count, long nanos) {
    static final Spent NOTHING = new Spent(0, 0);

    Spent plus(long times, long more) {
      return new Spent(count + times, nanos + more);
    }
  }

  /** Runs of one size. */
  public record Runs(long count, long inputNanos, long inferNanos, long outputNanos) {
    Runs plus(RunTime time) {
      return new Runs(
          count + 1,
          inputNanos + time.inputNanos(),
          inferNanos + time.inferNanos(),
          outputNanos + time.outputNanos());
    }
  }

  /** The parts of one run. */
  record RunTime(long inputNanos, long inferNanos, long outputNanos) {
    static final RunTime NONE = new RunTime(0, 0, 0);
  }
}
