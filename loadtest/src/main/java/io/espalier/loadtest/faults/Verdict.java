package io.espalier.loadtest.faults;

import io.espalier.loadtest.driver.Latencies;
import io.espalier.loadtest.driver.Requests;
import io.espalier.loadtest.faults.Callers.Kind;
import io.espalier.loadtest.faults.Callers.Trouble;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * What became of a run's requests: of those that ended before the scenario's first step, and of the
 * others.
 *
 * @param quiet times of those before
 * @param disturbed times of those since
 * @param kinds how many of those since met which trouble
 * @param quietTroubles how many of those before met any
 * @param troubledNanos from the first step until the last request that met trouble was due; 0 where
 *     none did
 * @param afterNanos from the end of the last step until then; 0 or less: none met trouble after it
 * @param examples some of the failures
 */
record Verdict(
    Latencies quiet,
    Latencies disturbed,
    Map<Kind, Long> kinds,
    long quietTroubles,
    long troubledNanos,
    long afterNanos,
    List<String> examples) {
  private static final int EXAMPLES = 5;

  /**
   * Judges a run.
   *
   * @param began when the first step began, in {@link System#nanoTime}
   * @param ended when the last was over
   */
  static Verdict of(Requests requests, Map<Integer, Trouble> troubles, long began, long ended) {
    long quietTroubles = 0;
    long last = began;
    Map<Kind, Long> kinds = new EnumMap<>(Kind.class);
    List<String> examples = new ArrayList<>();
    for (Map.Entry<Integer, Trouble> one : troubles.entrySet()) {
      int request = one.getKey();
      if (request >= requests.size()) {
        continue;
      }
      if (requests.done(request) < began) {
        quietTroubles++;
        continue;
      }
      // Before it, where a request was on its way when the first step began.
      long due = Math.max(began, requests.planned(request));
      Kind kind = one.getValue().kind();
      kinds.merge(kind, 1L, Long::sum);
      last = Math.max(last, due);
      if (kind != Kind.DEGRADED && kind != Kind.SECOND_TRY && examples.size() < EXAMPLES) {
        examples.add("%.1f s: %s %s".formatted((due - began) / 1e9, kind, one.getValue().status()));
      }
    }
    return new Verdict(
        requests.latencies(r -> requests.done(r) < began),
        requests.latencies(r -> requests.done(r) >= began),
        Map.copyOf(kinds),
        quietTroubles,
        last - began,
        kinds.isEmpty() ? 0 : last - ended,
        List.copyOf(examples));
  }

  long count(Kind kind) {
    return kinds.getOrDefault(kind, 0L);
  }

  /** All that were not answered. */
  long failed() {
    return count(Kind.FAILED) + count(Kind.FAILED_LATE);
  }

  /** Whether nothing was lost that must not be. */
  boolean holds(boolean planned) {
    return count(Kind.UNFLAGGED) == 0
        && count(Kind.FAILED) == 0
        && (!planned || (count(Kind.FAILED_LATE) == 0 && count(Kind.REFUSED) == 0));
  }

  /** p99 since the first step over that before. */
  double ratio() {
    return disturbed.quantile(.99) / (double) Math.max(1, quiet.quantile(.99));
  }
}
