package io.espalier.loadtest.live;

import io.espalier.loadtest.driver.HistogramFiles;
import io.espalier.loadtest.driver.Latencies;
import io.espalier.loadtest.driver.Report;
import io.espalier.loadtest.driver.Requests;
import java.io.IOException;

/**
 * Requests that overlapped an event beside those that did not.
 *
 * @param between those of the others that overlapped {@link Events#between}
 */
record Overlaps(Latencies during, Latencies others, Latencies between) {

  static Overlaps of(Requests requests, Events happened) {
    Events nothing = happened.between();
    return new Overlaps(
        requests.latencies(request -> happened.overlap(requests, request)),
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
