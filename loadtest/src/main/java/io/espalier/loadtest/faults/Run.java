package io.espalier.loadtest.faults;

import io.espalier.loadtest.driver.OpenLoop;
import io.espalier.loadtest.driver.Requests;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.IntSupplier;

/** One run of a scenario: load all the while, the steps after a quiet part. */
final class Run {
  private final OpenLoop load;
  private final double rate;
  private final IntSupplier sent;
  private final Plan plan;
  private long began;
  private long ended;

  /** What is done to a cluster meanwhile. */
  @FunctionalInterface
  interface Steps {
    /** All of it; returns when it is over and undone. */
    void go() throws IOException, InterruptedException;
  }

  /**
   * How long its parts are.
   *
   * @param quiet load before the first step
   * @param settle load after the last
   * @param longest the load goes on for no longer than this
   * @param requests the steps are done again until so many were sent
   */
  record Plan(Duration quiet, Duration settle, Duration longest, int requests) {}

  /**
   * A run at a rate.
   *
   * @param sent how many requests were sent so far
   * @throws IllegalArgumentException when the plan's requests take longer than its longest load
   */
  Run(OpenLoop load, double rate, IntSupplier sent, Plan plan) {
    double seconds = plan.longest().toNanos() / 1e9;
    if (plan.requests() > rate * seconds) {
      throw new IllegalArgumentException(
          "requests: %d at %.1f/s (expected: so many in %.1f h, the longest load)"
              .formatted(plan.requests(), rate, seconds / 3600));
    }
    this.load = load;
    this.rate = rate;
    this.sent = sent;
    this.plan = plan;
  }

  /**
   * Drives and disturbs.
   *
   * @throws IllegalStateException when the load ended before the run did
   */
  Requests go(Steps steps) throws IOException, InterruptedException {
    AtomicBoolean over = new AtomicBoolean();
    FutureTask<Requests> driving =
        new FutureTask<>(() -> load.run(rate, plan.longest(), over::get));
    Thread driver = Thread.ofPlatform().name("driver").start(driving);
    int before = sent.getAsInt();
    boolean early;
    try {
      Thread.sleep(plan.quiet());
      began = System.nanoTime();
      do {
        steps.go();
        ended = System.nanoTime();
      } while (sent.getAsInt() - before < plan.requests() && !driving.isDone());
      Thread.sleep(plan.settle());
      early = driving.isDone();
    } finally {
      over.set(true);
      driver.join();
    }
    try {
      Requests requests = driving.get();
      if (early) {
        throw new IllegalStateException(
            "the load ended after %d requests, before the last step (expected: after it)"
                .formatted(requests.size()));
      }
      return requests;
    } catch (ExecutionException e) {
      throw new IllegalStateException("the load ended: " + e.getMessage(), e);
    }
  }

  /** When the first step began, in {@link System#nanoTime}; 0 before it. */
  long began() {
    return began;
  }

  /** When the last was over. */
  long ended() {
    return ended;
  }

  /**
   * When the cluster must be as before: the last third of the load after the steps shows whether.
   */
  long settled() {
    return ended + plan.settle().multipliedBy(2).dividedBy(3).toNanos();
  }
}
