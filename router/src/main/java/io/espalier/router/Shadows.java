package io.espalier.router;

import io.espalier.router.v1.Degradation;
import io.espalier.router.v1.DegradationReason;
import io.espalier.server.Priority;
import io.espalier.server.RequestException;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs copies of requests through a route's shadow, and compares what comes of them with what the
 * user was answered.
 *
 * <p>A copy begins when its request has been answered, has a thread, a deadline and a context of
 * its own, and nothing of it goes back. It is the first that load drops: beyond so many copies, so
 * many requests in progress, or for a while after a stage refused one; and stages let it in after
 * all others.
 */
final class Shadows {
  private static final Logger log = LoggerFactory.getLogger(Shadows.class);
  private static final Duration PAUSE = Duration.ofSeconds(1);

  private final RouteRunner runner;
  private final ShadowMetrics metrics;
  private final Map<String, AtomicInteger> inFlight = new ConcurrentHashMap<>();
  private volatile long pausedUntil = System.nanoTime();

  Shadows(RouteRunner runner, ShadowMetrics metrics) {
    this.runner = runner;
    this.metrics = metrics;
  }

  /**
   * What a user was answered.
   *
   * @param seen what he had dealt with by then
   * @param k items of a page
   * @param nanos that it took
   */
  record Answered(
      String requestId,
      Question question,
      List<String> seen,
      List<ListItem> items,
      int k,
      long nanos) {}

  /**
   * Perhaps begins a copy; takes microseconds.
   *
   * @param live requests in progress at the router
   */
  void offer(RoutePlan plan, Answered answer, int live) {
    RoutePlan.Shadow shadow = plan.shadow();
    if (shadow == null || ThreadLocalRandom.current().nextDouble() >= shadow.share()) {
      return;
    }
    AtomicInteger copies = inFlight.computeIfAbsent(plan.name(), name -> new AtomicInteger());
    boolean loaded = live > shadow.live() || System.nanoTime() - pausedUntil < 0;
    if (loaded || copies.incrementAndGet() > shadow.inFlight()) {
      if (!loaded) {
        copies.decrementAndGet();
      }
      metrics.count(plan.name(), ShadowMetrics.Fate.DROPPED);
      return;
    }
    Thread.ofVirtual()
        .name("shadow-" + plan.name())
        .start(
            () -> {
              try {
                Priority.in(Context.ROOT, Priority.LAST)
                    .run(() -> run(plan.name(), shadow.route(), answer));
              } finally {
                copies.decrementAndGet();
              }
            });
  }

  /** Copies that are on their way. */
  int inFlight() {
    return inFlight.values().stream().mapToInt(AtomicInteger::get).sum();
  }

  private void run(String name, Route route, Answered answer) {
    try (RequestRun run = new RequestRun(route.deadline(), route.reserve())) {
      RouteAnswer copy = runner.run(route, answer.question(), run, answer::seen);
      if (!run.degradations().isEmpty()) {
        degraded(name, answer, run.degradations());
        return;
      }
      ListComparison lists =
          ListComparison.of(ranked(answer.items()), ranked(copy.items()), answer.k());
      metrics.compared(name, lists, answer.nanos(), run.elapsed());
      log.info(
          "shadow of {}: request {}: {}",
          name,
          answer.requestId(),
          String.format(
              Locale.ROOT,
              "overlap@%d %.3f, tau %.3f, score difference %.3g, %.1f ms against %.1f ms",
              answer.k(),
              lists.overlap(),
              lists.correlation(),
              lists.scoreDifference(),
              run.elapsed() / 1e6,
              answer.nanos() / 1e6));
    } catch (RuntimeException e) {
      // Whatever it is: nobody waits for it.
      if (isRefused(e)) {
        pausedUntil = System.nanoTime() + PAUSE.toNanos();
      }
      metrics.count(name, ShadowMetrics.Fate.FAILED);
      log.info("shadow of {}: request {}: failed: {}", name, answer.requestId(), e.toString());
    }
  }

  private void degraded(String name, Answered answer, List<Degradation> degradations) {
    if (degradations.stream()
        .anyMatch(d -> d.getReason() == DegradationReason.DEGRADATION_REASON_OVERLOADED)) {
      pausedUntil = System.nanoTime() + PAUSE.toNanos();
    }
    metrics.count(name, ShadowMetrics.Fate.DEGRADED);
    log.info(
        "shadow of {}: request {}: in part: {}",
        name,
        answer.requestId(),
        degradations.stream().map(d -> d.getStage() + " " + d.getReason()).toList());
  }

  private static boolean isRefused(RuntimeException failure) {
    return switch (failure) {
      case RequestException e -> e.code() == Status.Code.RESOURCE_EXHAUSTED;
      case StatusRuntimeException e -> e.getStatus().getCode() == Status.Code.RESOURCE_EXHAUSTED;
      default -> false;
    };
  }

  private static ListComparison.Ranked ranked(List<ListItem> items) {
    return new ListComparison.Ranked(
        items.stream().map(ListItem::id).toList(), items.stream().map(ListItem::score).toList());
  }
}
