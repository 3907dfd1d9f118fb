package io.espalier.loadtest.faults;

import io.espalier.loadtest.driver.Latencies;
import io.espalier.loadtest.driver.Requests;
import io.espalier.loadtest.faults.Callers.Kind;
import io.espalier.loadtest.faults.Callers.Trouble;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntPredicate;

/**
 * What became of a run's requests: of those that ended before the scenario's first step, of the
 * others, and of those at the run's end, when all must be as before.
 *
 * @param quiet those before
 * @param disturbed those since
 * @param end those of them that were due once the cluster had had its time to recover
 * @param troubledNanos from the first step until the last request that met trouble was due; 0 where
 *     none did
 * @param afterNanos from the end of the last step until then; 0 or less: none met trouble after it
 * @param examples some of the failures
 */
record Verdict(
    Part quiet,
    Part disturbed,
    Part end,
    long troubledNanos,
    long afterNanos,
    List<String> examples) {
  private static final int EXAMPLES = 5;
  // A planned change must not be seen; while nothing is done, one late answer is the machine's.
  private static final double MOST_DEGRADED = .001;
  private static final double MOST_AT_REST = .01;

  /** Some of the requests: their times, and how many met which trouble. */
  record Part(Latencies latencies, Map<Kind, Long> kinds) {
    private static Part of(Requests requests, Map<Integer, Trouble> troubles, IntPredicate which) {
      Map<Kind, Long> kinds = new EnumMap<>(Kind.class);
      troubles.forEach(
          (request, trouble) -> {
            if (request < requests.size() && which.test(request)) {
              kinds.merge(trouble.kind(), 1L, Long::sum);
            }
          });
      return new Part(requests.latencies(which), Map.copyOf(kinds));
    }

    long count(Kind kind) {
      return kinds.getOrDefault(kind, 0L);
    }

    /** Those that met any trouble. */
    long troubles() {
      return kinds.values().stream().mapToLong(Long::longValue).sum();
    }

    private double share(Kind kind) {
      return count(kind) / (double) Math.max(1, latencies.count());
    }

    /** What must not be while nothing is done to the cluster. */
    private List<String> shortcomings(String when) {
      List<String> found = new ArrayList<>();
      long marked = count(Kind.DEGRADED) + count(Kind.SECOND_TRY);
      long lost = troubles() - marked;
      if (lost > 0) {
        found.add(
            "%s %d of %d requests failed, were refused or lacked much without a word (expected: none)"
                .formatted(when, lost, latencies.count()));
      }
      if (marked > 1 && marked > MOST_AT_REST * latencies.count()) {
        found.add(
            "%s %d of %d requests were degraded or needed a second try (expected: at most one in"
                    .formatted(when, marked, latencies.count())
                + " 100)");
      }
      return found;
    }
  }

  /**
   * Judges a run. Times are those of {@link System#nanoTime}.
   *
   * @param began when the first step began
   * @param ended when the last was over
   * @param settled when the cluster must be as before
   */
  static Verdict of(
      Requests requests, Map<Integer, Trouble> troubles, long began, long ended, long settled) {
    long last = began;
    List<String> examples = new ArrayList<>();
    IntPredicate isQuiet = request -> requests.done(request) < began;
    for (Map.Entry<Integer, Trouble> one : troubles.entrySet()) {
      int request = one.getKey();
      if (request >= requests.size() || isQuiet.test(request)) {
        continue;
      }
      // Before it, where a request was on its way when the first step began.
      long due = Math.max(began, requests.planned(request));
      Kind kind = one.getValue().kind();
      last = Math.max(last, due);
      if (kind != Kind.DEGRADED && kind != Kind.SECOND_TRY && examples.size() < EXAMPLES) {
        examples.add("%.1f s: %s %s".formatted((due - began) / 1e9, kind, one.getValue().status()));
      }
    }
    Part disturbed = Part.of(requests, troubles, isQuiet.negate());
    return new Verdict(
        Part.of(requests, troubles, isQuiet),
        disturbed,
        Part.of(requests, troubles, request -> requests.planned(request) >= settled),
        last - began,
        disturbed.troubles() == 0 ? 0 : last - ended,
        List.copyOf(examples));
  }

  /** Since the first step. */
  long count(Kind kind) {
    return disturbed.count(kind);
  }

  /**
   * What is not as it must be; empty when all is.
   *
   * @param planned whether it was a change that operators make, which callers must not see
   */
  List<String> shortcomings(boolean planned) {
    List<String> found = new ArrayList<>();
    none(found, Kind.UNFLAGGED, "lacked much without a word");
    none(found, Kind.FAILED, "failed though there was a second try");
    if (planned) {
      none(found, Kind.FAILED_LATE, "failed without time for a second try");
      none(found, Kind.REFUSED, "were writes that were refused");
      if (disturbed.share(Kind.DEGRADED) > MOST_DEGRADED) {
        found.add(
            "%d of %d requests were degraded by a planned change (expected: at most one in 1000)"
                .formatted(count(Kind.DEGRADED), disturbed.latencies().count()));
      }
    }
    found.addAll(quiet.shortcomings("before the first step"));
    if (end.latencies().count() == 0) {
      found.add("no request was due at the end (expected: some, to see that all is as before)");
    }
    found.addAll(end.shortcomings("at the end"));
    return found;
  }

  private void none(List<String> found, Kind kind, String what) {
    if (count(kind) > 0) {
      found.add("%d requests %s (expected: none)".formatted(count(kind), what));
    }
  }

  /** p99 since the first step over that before. */
  double ratio() {
    return disturbed.latencies().quantile(.99)
        / (double) Math.max(1, quiet.latencies().quantile(.99));
  }
}
