package io.espalier.loadtest.live;

import io.espalier.loadtest.driver.Requests;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What happened to a served catalogue, and when; by {@link System#nanoTime}. */
final class Events {
  private static final Pattern COMPACTION = Pattern.compile("compacted .* in ([0-9]+) ms");

  private final List<Event> events = new ArrayList<>();

  /** One event. */
  private record Event(String kind, long start, long end) {}

  /** Takes note of what a server says. */
  void line(String line) {
    Matcher compaction = COMPACTION.matcher(line);
    if (compaction.find()) {
      long end = System.nanoTime();
      long length = TimeUnit.MILLISECONDS.toNanos(Long.parseLong(compaction.group(1)));
      add("compaction", end - length, end);
    }
  }

  /** Takes note of an event. */
  synchronized void add(String kind, long start, long end) {
    events.add(new Event(kind, start, end));
  }

  /** Forgets what happened so far. */
  synchronized void clear() {
    events.clear();
  }

  /** How many there were of a kind. */
  synchronized int count(String kind) {
    return Math.toIntExact(events.stream().filter(event -> event.kind().equals(kind)).count());
  }

  /** Whether a request was due or on its way while something happened. */
  synchronized boolean overlap(Requests requests, int request) {
    return events.stream()
        .anyMatch(
            event ->
                requests.planned(request) <= event.end()
                    && requests.done(request) >= event.start());
  }
}
