package io.espalier.loadtest.driver;

import java.time.Duration;
import java.util.Arrays;
import java.util.Random;

/**
 * A server with one worker whose service times are exponential, and a driver that is never late;
 * both in computed time.
 */
final class SimulatedServer {
  private final double serviceNanos;
  private final Random random;
  private long seed;

  SimulatedServer(Duration service, long seed) {
    this.serviceNanos = service.toNanos();
    // Not the arrivals' own numbers, which would make long services follow long gaps.
    this.random = new Random(~seed);
    this.seed = seed;
  }

  Requests at(double rate, Duration length) {
    long[] planned = Arrivals.poisson(rate, length, seed++);
    long[] done = new long[planned.length];
    Outcome[] outcomes = new Outcome[planned.length];
    Arrays.fill(outcomes, Outcome.OK);
    double free = 0;
    for (int i = 0; i < planned.length; i++) {
      free = Math.max(free, (double) planned[i]) - Math.log1p(-random.nextDouble()) * serviceNanos;
      done[i] = (long) free;
    }
    return new Requests(planned, planned.clone(), done, outcomes, 0);
  }
}
