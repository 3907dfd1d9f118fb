package io.espalier.loadtest.live;

import io.espalier.loadtest.driver.HistogramFiles;
import io.espalier.loadtest.driver.Latencies;
import io.espalier.loadtest.driver.Report;
import io.espalier.loadtest.driver.Requests;
import java.io.IOException;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;

/**
 * Requests that overlapped an event beside those that did not.
 *
 * @param byKind the former by kind of event; one that overlapped several is of each
 * @param between those of the others that overlapped {@link Events#between}
 */
record Overlaps(
    Latencies during, Map<Events.Kind, Latencies> byKind, Latencies others, Latencies between) {

  static Overlaps of(Requests requests, Events happened) {
    Events nothing = happened.between();
    Map<Events.Kind, Latencies> byKind = new EnumMap<>(Events.Kind.class);
    for (Events.Kind kind : Events.Kind.values()) {
      Events those = happened.only(kind);
      if (those.count() > 0) {
        byKind.put(kind, requests.latencies(request -> those.overlap(requests, request)));
      }
    }
    return new Overlaps(
        requests.latencies(request -> happened.overlap(requests, request)),
        byKind,
        requests.latencies(request -> !happened.overlap(requests, request)),
        requests.latencies(
            request -> nothing.overlap(requests, request) && !happened.overlap(requests, request)));
  }

  /**
   * Prints them.
   *
   * @param event what one is
   * @param events and several
   */
  void print(Report report, String event, String events) {
    report.latencies("during a " + event, during);
    byKind.forEach(
        (kind, latencies) ->
            report.latencies("  " + kind.name().toLowerCase(Locale.ROOT), latencies));
    report.latencies("the others", others);
    report.latencies("as long windows between " + events, between);
    report.line(
        "p99 during : others = %.2f (expected: at most 1.2), during : between = %.2f",
        ratio(during, others), ratio(during, between));
  }

  private static double ratio(Latencies during, Latencies others) {
    return during.quantile(.99) / (double) Math.max(1, others.quantile(.99));
  }

  void keep(HistogramFiles files) throws IOException {
    files.distribution("during", during);
    files.distribution("others", others);
  }
}
