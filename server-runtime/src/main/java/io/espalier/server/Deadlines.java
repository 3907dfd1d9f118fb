package io.espalier.server;

import io.grpc.Context;
import io.grpc.Deadline;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** What is left of a call's deadline. */
public final class Deadlines {
  private static final int LAST = 20;

  private Deadlines() {}

  /** What is left of the current call's deadline; empty where it has none. */
  public static Optional<Duration> remaining() {
    Deadline deadline = Context.current().getDeadline();
    return deadline == null
        ? Optional.empty()
        : Optional.of(Duration.ofNanos(deadline.timeRemaining(TimeUnit.NANOSECONDS)));
  }

  /**
   * Nanoseconds that are left to the current call; {@link Long#MAX_VALUE} where it may take any.
   */
  static long leftNanos() {
    return remaining().map(Duration::toNanos).orElse(Long.MAX_VALUE);
  }

  /**
   * Whether the current call, which has ended without an answer, ended by its deadline. Its
   * caller's clock began earlier, and is the first to end it as often as not: the last twentieth of
   * its time counts as passed.
   *
   * @param allottedNanos what was left when it came
   */
  static boolean passed(long allottedNanos) {
    return leftNanos() <= allottedNanos / LAST && Context.current().getDeadline() != null;
  }
}
