package io.espalier.server;

import com.google.common.base.Ticker;
import java.util.concurrent.TimeUnit;

/**
 * What a channel has seen of one replica: the calls under way, and whether it answers.
 *
 * <p>A replica that fails twice in a row without an answer in between is left alone for a quarter
 * of a second; then one call tries it, and each try doubles the pause, up to five seconds. Any
 * answer, a refusal too, ends that. Two in a row, since a busy replica's answers lie between its
 * failures, and few replicas make shares of failures useless: one that stands still is asked so
 * seldom that its share says nothing.
 */
final class ReplicaHealth {
  private static final int FAULTS = 2;
  private static final long FIRST_PAUSE = TimeUnit.MILLISECONDS.toNanos(250);
  private static final int MOST_DOUBLINGS = 5;
  private static final long LONGEST_PAUSE = TimeUnit.SECONDS.toNanos(5);

  private final Ticker clock;
  private int underWay;
  private int faults;
  // Since nanoTime may be any number, whether there is a pause is told apart.
  private boolean paused;
  private long pausedUntil;

  ReplicaHealth(Ticker clock) {
    this.clock = clock;
  }

  synchronized void started() {
    underWay++;
  }

  /** A call ended with a word of the replica's, or without one that it would be to blame for. */
  synchronized void answered() {
    underWay--;
    faults = 0;
    paused = false;
  }

  /** A call was given up by its caller, who had hardly waited: says nothing. */
  synchronized void left() {
    underWay--;
  }

  /**
   * A call failed by the replica's or the connection's fault.
   *
   * @return whether it is from now on left alone, and was not before
   */
  synchronized boolean failed() {
    underWay--;
    long now = clock.read();
    if (paused && now - pausedUntil < 0) {
      // Sent before the pause: of the same fault.
      return false;
    }
    faults++;
    if (faults < FAULTS) {
      return false;
    }
    boolean first = !paused;
    pause(now);
    return first;
  }

  private void pause(long now) {
    paused = true;
    pausedUntil =
        now + Math.min(LONGEST_PAUSE, FIRST_PAUSE << Math.min(MOST_DOUBLINGS, faults - FAULTS));
  }

  synchronized int underWay() {
    return underWay;
  }

  synchronized boolean paused() {
    return paused;
  }

  /** Whether a pause is over; the one caller who is told so tries the replica. */
  synchronized boolean wantsTry() {
    long now = clock.read();
    if (!paused || now - pausedUntil < 0) {
      return false;
    }
    // Not when it has failed: until a call is given up others would follow it.
    faults++;
    pause(now);
    return true;
  }

  /** Its connection is gone: the next one may lead to another process. */
  synchronized void forget() {
    faults = 0;
    paused = false;
  }
}
