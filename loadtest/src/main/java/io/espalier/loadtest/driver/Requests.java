package io.espalier.loadtest.driver;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;

/**
 * Every request of a run: when it was due, when it was sent, when it was done and what came of it.
 * Times are those of {@link System#nanoTime}.
 */
public final class Requests {
  /** A driver that is later than this is no witness. */
  public static final Duration MOST_SEND_LAG = Duration.ofMillis(1);

  private final long[] planned;
  private final long[] sent;
  private final long[] done;
  private final Outcome[] outcomes;
  private final int dropped;

  /**
   * A run's requests, in the order in which they were due; the arrays are not copied.
   *
   * @param dropped arrivals that were not sent since too many were on their way
   */
  public Requests(long[] planned, long[] sent, long[] done, Outcome[] outcomes, int dropped) {
    this.planned = planned;
    this.sent = sent;
    this.done = done;
    this.outcomes = outcomes;
    this.dropped = dropped;
  }

  /** Runs that followed each other as one. */
  public static Requests join(List<Requests> runs) {
    return new Requests(
        runs.stream().flatMapToLong(run -> Arrays.stream(run.planned)).toArray(),
        runs.stream().flatMapToLong(run -> Arrays.stream(run.sent)).toArray(),
        runs.stream().flatMapToLong(run -> Arrays.stream(run.done)).toArray(),
        runs.stream().flatMap(run -> Arrays.stream(run.outcomes)).toArray(Outcome[]::new),
        runs.stream().mapToInt(run -> run.dropped).sum());
  }

  /** The requests due in each second since the first was; empty where none was. */
  public List<Requests> bySecond() {
    List<Requests> seconds = new ArrayList<>();
    int from = 0;
    while (from < size()) {
      long end = planned[0] + TimeUnit.SECONDS.toNanos(seconds.size() + 1L);
      int to = from;
      while (to < size() && planned[to] < end) {
        to++;
      }
      seconds.add(
          new Requests(
              Arrays.copyOfRange(planned, from, to),
              Arrays.copyOfRange(sent, from, to),
              Arrays.copyOfRange(done, from, to),
              Arrays.copyOfRange(outcomes, from, to),
              0));
      from = to;
    }
    return seconds;
  }

  /** How many were sent. */
  public int size() {
    return planned.length;
  }

  /** When a request was due. */
  public long planned(int request) {
    return planned[request];
  }

  /** When it was answered, or failed. */
  public long done(int request) {
    return done[request];
  }

  /** What came of it. */
  public Outcome outcome(int request) {
    return outcomes[request];
  }

  /** How many ended so. */
  public int count(Outcome outcome) {
    return count(outcome, request -> true);
  }

  /** How many of some ended so. */
  public int count(Outcome outcome, IntPredicate which) {
    return Math.toIntExact(
        IntStream.range(0, size())
            .filter(which)
            .filter(request -> outcomes[request] == outcome)
            .count());
  }

  /** The share of requests that failed or were answered in part. */
  public double badShare() {
    return size() == 0 ? 0 : 1 - count(Outcome.OK) / (double) size();
  }

  /** Full answers within a time, for each second in which requests were due. */
  public double goodput(Duration within) {
    return goodput(within, request -> true);
  }

  /** The same of some. */
  public double goodput(Duration within, IntPredicate which) {
    return perSecond(good(within, which));
  }

  /** Full answers within a time. */
  public long good(Duration within) {
    return good(within, request -> true);
  }

  private long good(Duration within, IntPredicate which) {
    return IntStream.range(0, size())
        .filter(which)
        .filter(r -> outcomes[r] == Outcome.OK && done[r] - planned[r] <= within.toNanos())
        .count();
  }

  /** How many of some requests were due in a second. */
  public double offered(IntPredicate which) {
    return perSecond(IntStream.range(0, size()).filter(which).count());
  }

  private double perSecond(long number) {
    return size() < 2 ? 0 : number * 1e9 / (planned[size() - 1] - planned[0]);
  }

  /** From when they were due to when they were done. */
  public Latencies latencies() {
    return latencies(request -> true);
  }

  /** The same of some. */
  public Latencies latencies(IntPredicate which) {
    return Latencies.of(
        IntStream.range(0, size())
            .filter(which)
            .mapToLong(request -> done[request] - planned[request]));
  }

  /**
   * Of those of some that were answered, in full or in part: refusals are fast, so that times of
   * all are the better the more of them there are.
   */
  public Latencies answered(IntPredicate which) {
    return latencies(
        request ->
            which.test(request)
                && (outcomes[request] == Outcome.OK || outcomes[request] == Outcome.DEGRADED));
  }

  /** The same of all. */
  public Latencies answered() {
    return answered(request -> true);
  }

  /** From when some were sent to when they were done: what the driver's lateness has no part in. */
  public Latencies fromSent(IntPredicate which) {
    return Latencies.of(
        IntStream.range(0, size())
            .filter(which)
            .mapToLong(request -> done[request] - sent[request]));
  }

  /** From when they were due to when they were sent. */
  public Latencies sendLag() {
    return Latencies.of(
        IntStream.range(0, size()).mapToLong(request -> sent[request] - planned[request]));
  }

  /** Why the run says nothing; empty when it does. */
  public Optional<String> voidReason() {
    if (dropped > 0) {
      return Optional.of(dropped + " arrivals dropped (expected: none)");
    }
    if (size() == 0) {
      return Optional.of("no request arrived (expected: some)");
    }
    long lag = sendLag().quantile(.99);
    return lag <= MOST_SEND_LAG.toNanos()
        ? Optional.empty()
        : Optional.of(
            "p99 send lag %.2f ms (expected: at most %d)"
                .formatted(lag / 1e6, MOST_SEND_LAG.toMillis()));
  }
}
