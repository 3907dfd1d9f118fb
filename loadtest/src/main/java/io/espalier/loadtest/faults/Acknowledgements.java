package io.espalier.loadtest.faults;

import java.util.ArrayList;
import java.util.List;

/** When a catalogue's writer acknowledged changes. Times are those of {@link System#nanoTime}. */
final class Acknowledgements {
  private final long start;
  private final List<Long> times = new ArrayList<>();

  /**
   * None yet.
   *
   * @param start from when on changes were sent
   */
  Acknowledgements(long start) {
    this.start = start;
  }

  /** One more; no earlier than those before. */
  synchronized void add(long time) {
    times.add(time);
  }

  /** The longest time without one until now, in nanoseconds: that since the last, too. */
  synchronized long longestWithout(long now) {
    long longest = 0;
    long last = start;
    for (long time : times) {
      longest = Math.max(longest, time - last);
      last = time;
    }
    return Math.max(longest, now - last);
  }

  /**
   * What is not as it must be; empty when all is.
   *
   * @param began when the scenario's first step began
   * @param settled when the writer must be as before
   */
  synchronized List<String> shortcomings(long began, long settled) {
    List<String> found = new ArrayList<>();
    if (times.isEmpty() || times.getFirst() - began > 0) {
      found.add(
          "no change of the catalogue was acknowledged before the first step (expected: some)");
    }
    if (times.isEmpty() || times.getLast() - settled < 0) {
      found.add("no change of the catalogue was acknowledged at the end (expected: some)");
    }
    return found;
  }

  synchronized String text(long now) {
    return "%d changes of the catalogue acknowledged, the longest time without %.1f s"
        .formatted(times.size(), longestWithout(now) / 1e9);
  }
}
