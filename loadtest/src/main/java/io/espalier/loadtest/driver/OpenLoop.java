package io.espalier.loadtest.driver;

import io.espalier.server.ThreadScheduling;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.Semaphore;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.DoubleUnaryOperator;

/**
 * Sends requests when they are due, however late the answers to others are. Time counts from when a
 * request was due, so a server that stalls makes all of them late that arrive meanwhile.
 */
public final class OpenLoop {
  private static final int MOST_IN_FLIGHT = 20_000;

  private final Target target;
  private final long seed;
  private int runs;

  /**
   * Drives a target.
   *
   * @param seed of the arrivals; each run draws its own from it
   */
  public OpenLoop(Target target, long seed) {
    this.target = target;
    this.seed = seed;
  }

  /** Sends at a rate for a time, and waits for what is still on its way then. */
  public Requests run(double rate, Duration length) throws InterruptedException {
    return run(rate, length, () -> false);
  }

  /** Sends at a rate until it is over, or for a time at most. */
  public Requests run(double rate, Duration most, BooleanSupplier over)
      throws InterruptedException {
    return run(Arrivals.poisson(rate, most, seed + runs++), MOST_IN_FLIGHT, over);
  }

  /**
   * Sends at a rate that changes, for a time.
   *
   * @param rate requests a second, by seconds since the start
   * @param highest what it is at most
   */
  public Requests run(DoubleUnaryOperator rate, double highest, Duration length)
      throws InterruptedException {
    return run(Arrivals.poisson(rate, highest, length, seed + runs++), MOST_IN_FLIGHT);
  }

  Requests run(long[] arrivals, int mostInFlight) throws InterruptedException {
    return run(arrivals, mostInFlight, () -> false);
  }

  private Requests run(long[] arrivals, int mostInFlight, BooleanSupplier over)
      throws InterruptedException {
    Outcome[] outcomes = new Outcome[arrivals.length];
    long[] planned = new long[arrivals.length];
    long[] sent = new long[arrivals.length];
    long[] done = new long[arrivals.length];
    Semaphore room = new Semaphore(mostInFlight);
    int count = 0;
    int dropped = 0;
    // What else the driver's core runs is not what is measured.
    ThreadScheduling.wakePromptly();
    long start = System.nanoTime();
    for (long arrival : arrivals) {
      if (over.getAsBoolean()) {
        break;
      }
      long due = start + arrival;
      for (long left = due - System.nanoTime(); left > 0; left = due - System.nanoTime()) {
        // Sleeping, not spinning: the answers are read on the same core.
        LockSupport.parkNanos(left);
        if (Thread.interrupted()) {
          throw new InterruptedException();
        }
      }
      if (!room.tryAcquire()) {
        dropped++;
        continue;
      }
      int number = count++;
      planned[number] = due;
      sent[number] = System.nanoTime();
      target.send(
          number,
          outcome -> {
            done[number] = System.nanoTime();
            outcomes[number] = outcome;
            room.release();
          });
    }
    room.acquire(mostInFlight);
    return new Requests(
        Arrays.copyOf(planned, count),
        Arrays.copyOf(sent, count),
        Arrays.copyOf(done, count),
        Arrays.copyOf(outcomes, count),
        dropped);
  }
}
