package io.espalier.loadtest.live;

import io.espalier.loadtest.driver.Requests;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * When a snapshot or a bundle version that is served took the place of another; by {@link
 * System#nanoTime}. An event lasts from when the server began to make, fetch or load it.
 */
final class Events {
  private static final Pattern EXCHANGE =
      Pattern.compile("a snapshot of .* took the place of the one before after ([0-9]+) ms");
  private static final Pattern DRAINS = Pattern.compile("bundle \\S+ drains");
  private static final Pattern CLOSED = Pattern.compile("bundle \\S+ is closed");
  private static final Pattern RESTART = Pattern.compile("followed from the snapshot of offset");

  private final List<Event> events;

  // When the return that is under way was asked for; 0 when none is.
  private long returning;
  // When the bundle version that drains began to; 0 when none does.
  private long draining;

  /** One of them. */
  record Event(Kind kind, long start, long end) {}

  /** What happened. */
  enum Kind {
    /** A snapshot of the same catalogue, published or made by the server itself. */
    EXCHANGE,
    /** A return to an earlier catalogue. */
    RETURN,
    /** One bundle version in the place of another, from its load on. */
    SWITCH,
    /** The same, and back again. */
    ROLLBACK,
    /** The end of a bundle version, from its last request on. */
    DRAIN
  }

  /** None yet. */
  Events() {
    this(List.of());
  }

  private Events(List<Event> events) {
    this.events = new ArrayList<>(events);
  }

  /** Takes note of what a server says. */
  synchronized void line(String line) {
    long now = System.nanoTime();
    Matcher exchange = EXCHANGE.matcher(line);
    if (exchange.find()) {
      long length = TimeUnit.MILLISECONDS.toNanos(Long.parseLong(exchange.group(1)) + 1);
      events.add(new Event(Kind.EXCHANGE, now - length, now));
    } else if (returning != 0 && RESTART.matcher(line).find()) {
      events.add(new Event(Kind.RETURN, returning, now));
      returning = 0;
    } else if (DRAINS.matcher(line).find()) {
      draining = now;
    } else if (draining != 0 && CLOSED.matcher(line).find()) {
      events.add(new Event(Kind.DRAIN, draining, now));
      draining = 0;
    }
  }

  /** Takes note of what was seen from outside; ends now. */
  synchronized void ended(Kind kind, long start) {
    events.add(new Event(kind, start, System.nanoTime()));
  }

  /** A return is asked for now; the server says when it has followed it. */
  synchronized void returnBegins() {
    returning = System.nanoTime();
  }

  /** Forgets what happened so far. */
  synchronized void clear() {
    events.clear();
  }

  /** How many there were. */
  synchronized int count() {
    return events.size();
  }

  /** How many of a kind there were. */
  synchronized long count(Kind kind) {
    return events.stream().filter(event -> event.kind() == kind).count();
  }

  @Override
  public synchronized String toString() {
    return "%d exchanges of snapshots, %d returns"
        .formatted(count(Kind.EXCHANGE), count(Kind.RETURN));
  }

  /**
   * As many windows in which nothing happened: each as long as its event and half-way to the next,
   * where it fits. A long request overlaps more of any windows, so those that overlap some are
   * slower than the rest even where the windows do nothing.
   */
  synchronized Events between() {
    return new Events(between(events));
  }

  static List<Event> between(List<Event> events) {
    List<Event> sorted = events.stream().sorted(Comparator.comparingLong(Event::start)).toList();
    List<Event> between = new ArrayList<>();
    for (int i = 1; i < sorted.size(); i++) {
      Event event = sorted.get(i - 1);
      long length = event.end() - event.start();
      long gap = sorted.get(i).start() - event.end();
      if (gap >= 2 * length) {
        long start = event.end() + (gap - length) / 2;
        between.add(new Event(event.kind(), start, start + length));
      }
    }
    return between;
  }

  /** Those of a kind. */
  synchronized Events only(Kind kind) {
    return new Events(events.stream().filter(event -> event.kind() == kind).toList());
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
