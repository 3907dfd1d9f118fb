package io.espalier.server;

import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.stub.AbstractStub;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Deadlines only shrink: every call below a call gets the least of its own time and what is left.
 */
public final class Deadlines {
  private Deadlines() {}

  /** What is left of the current call's deadline; empty where it has none. */
  public static Optional<Duration> remaining() {
    Deadline deadline = Context.current().getDeadline();
    return deadline == null
        ? Optional.empty()
        : Optional.of(Duration.ofNanos(deadline.timeRemaining(TimeUnit.NANOSECONDS)));
  }

  /** The earlier of {@code own} from now and the current call's deadline. */
  public static Deadline min(Duration own) {
    return min(
        Deadline.after(own.toNanos(), TimeUnit.NANOSECONDS), Context.current().getDeadline());
  }

  /** The earlier of two deadlines. */
  public static Deadline min(Deadline own, @Nullable Deadline other) {
    return other == null ? own : own.minimum(other);
  }

  /**
   * A stub whose calls end after {@code own}, or at the current call's deadline if that is sooner.
   */
  public static <S extends AbstractStub<S>> S within(S stub, Duration own) {
    return stub.withDeadline(min(own));
  }
}
