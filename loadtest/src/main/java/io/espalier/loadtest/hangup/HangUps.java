package io.espalier.loadtest.hangup;

import io.espalier.loadtest.driver.Latencies;
import io.espalier.loadtest.driver.Report;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;

/**
 * Rounds in which callers hung up: how long their calls stayed in queues. A round whose queue never
 * filled shows nothing, and is left out.
 */
final class HangUps {
  /** In which the queues are to be free, in 19 of 20 rounds. */
  static final Duration WANTED = Duration.ofMillis(20);

  private static final double OF_ROUNDS = .95;

  private final int leastWaiting;
  private final List<Long> freed = new ArrayList<>();
  private long waited;
  private int leftOut;

  /**
   * None yet.
   *
   * @param leastWaiting with fewer calls in it a queue has not filled
   */
  HangUps(int leastWaiting) {
    this.leastWaiting = leastWaiting;
  }

  /** Whether so many calls fill a queue. */
  boolean isFilled(long waiting) {
    return waiting >= leastWaiting;
  }

  /**
   * One more.
   *
   * @param waiting how many calls waited when their callers hung up
   * @param nanos until none of them did
   */
  void add(long waiting, long nanos) {
    if (isFilled(waiting)) {
      waited += waiting;
      freed.add(nanos);
    } else {
      leftOut++;
    }
  }

  /** Prints them. */
  void print(Report report, int callers) {
    if (leftOut > 0) {
      report.line(
          "%d rounds left out: fewer than %d calls waited for a model", leftOut, leastWaiting);
    }
    if (!freed.isEmpty()) {
      Latencies times = times();
      report.line(
          "%d times %d callers hung up, %.1f of their calls waiting for a model: queues free of them"
              + " after p50 %s, p95 %s, max %s",
          freed.size(),
          callers,
          (double) waited / freed.size(),
          Report.millis(times.quantile(.5)),
          Report.millis(times.quantile(OF_ROUNDS)),
          Report.millis(times.max()));
    }
  }

  /** What is not as it must be; empty when all is. */
  List<String> shortcomings() {
    if (freed.isEmpty()) {
      return List.of("in no round did a queue fill (expected: in most)");
    }
    List<String> found = new ArrayList<>();
    if (leftOut > freed.size()) {
      found.add(
          "in %d of %d rounds no queue filled (expected: in half of them at most)"
              .formatted(leftOut, leftOut + freed.size()));
    }
    long p95 = times().quantile(OF_ROUNDS);
    if (p95 > WANTED.toNanos()) {
      found.add(
          "p95 until the queues were free %s (expected: <= %d ms)"
              .formatted(Report.millis(p95), WANTED.toMillis()));
    }
    return found;
  }

  private Latencies times() {
    return Latencies.of(freed.stream().flatMapToLong(LongStream::of));
  }
}
