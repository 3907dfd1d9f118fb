package io.espalier.loadtest.driver;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntPredicate;

/**
 * What a run beyond the knee shows: whether as much is done as at the knee, in time, and the rest
 * is refused at once; and what a tenant that asks for less than its share has of it beside one that
 * asks for far more.
 *
 * @param requests the run
 * @param modest which of them are the modest tenant's; the others are the greedy one's
 * @param slo in what time an answer is good
 * @param kneeGoodput good answers a second at the knee
 * @param highestGoodput the most that any run before this one had, whatever its rate: where the
 *     server refuses some long before it is full, the knee is far below what it can do
 */
public record Overload(
    Requests requests,
    IntPredicate modest,
    Duration slo,
    double kneeGoodput,
    double highestGoodput) {
  /** A refusal that takes longer is no refusal at once. */
  public static final Duration REFUSAL = Duration.ofMillis(5);

  private static final double LEAST_GOODPUT = .95;
  private static final double LEAST_MODEST = .95;

  /** Good answers a second over those at the knee. */
  public double goodputShare() {
    return requests.goodput(slo) / kneeGoodput;
  }

  /** Good answers a second over the most that were seen. */
  public double highestShare() {
    return requests.goodput(slo) / highestGoodput;
  }

  /** Times of what was let in, from when it was due. */
  public Latencies admitted() {
    return requests.latencies(request -> requests.outcome(request) != Outcome.REFUSED);
  }

  /** Times of what was refused, from when it was due. */
  public Latencies refused() {
    return requests.latencies(this::isRefused);
  }

  /** Times of what was refused, from when it was sent. */
  public Latencies refusedFromSent() {
    return requests.fromSent(this::isRefused);
  }

  /** Good answers of the modest tenant over what it asked for. */
  public double modestServed() {
    return requests.goodput(slo, modest) / requests.offered(modest);
  }

  /** Good answers of the greedy tenant over what it asked for. */
  public double greedyServed() {
    return requests.goodput(slo, modest.negate()) / requests.offered(modest.negate());
  }

  private boolean isRefused(int request) {
    return requests.outcome(request) == Outcome.REFUSED;
  }

  /** What is not as it should be; empty when all is. */
  public List<String> shortcomings() {
    List<String> found = new ArrayList<>();
    if (!(goodputShare() >= LEAST_GOODPUT)) {
      found.add(
          "goodput %.3f of the knee's, %.1f/s (expected: >= %.2f)"
              .formatted(goodputShare(), kneeGoodput, LEAST_GOODPUT));
    }
    if (!(highestShare() >= LEAST_GOODPUT)) {
      found.add(
          "goodput %.3f of the highest seen, %.1f/s (expected: >= %.2f)"
              .formatted(highestShare(), highestGoodput, LEAST_GOODPUT));
    }
    if (admitted().quantile(.99) > slo.toNanos()) {
      found.add(
          "p99 of the admitted %s (expected: <= %d ms)"
              .formatted(Report.millis(admitted().quantile(.99)), slo.toMillis()));
    }
    if (refused().count() == 0) {
      found.add("nothing was refused (expected: an overload)");
    } else if (refused().quantile(.99) >= REFUSAL.toNanos()) {
      found.add(
          "p99 of refusals %s (expected: < %d ms)"
              .formatted(Report.millis(refused().quantile(.99)), REFUSAL.toMillis()));
    }
    if (!(modestServed() >= LEAST_MODEST)) {
      found.add(
          "the modest tenant had %.3f of what it asked for (expected: >= %.2f)"
              .formatted(modestServed(), LEAST_MODEST));
    }
    int failed = requests.count(Outcome.FAILED);
    if (failed * 1_000L > requests.size()) {
      found.add(
          "%d of %d failed (expected: at most one in 1000)".formatted(failed, requests.size()));
    }
    return found;
  }
}
