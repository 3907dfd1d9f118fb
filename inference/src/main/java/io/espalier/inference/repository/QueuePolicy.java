package io.espalier.inference.repository;

/**
 * How many calls may wait for a model, and for how long.
 *
 * @param maxSize most calls that wait; 0 has no bound
 * @param timeoutNanos how long a call waits before {@code onTimeout} happens; 0 has no timeout. A
 *     call's own deadline always refuses it, whatever this says
 * @param onTimeout what then happens
 * @param overridable whether a call may ask for a shorter timeout than this
 */
public record QueuePolicy(
    int maxSize, long timeoutNanos, TimeoutAction onTimeout, boolean overridable) {

  /** What happens to a call that has waited too long. */
  public enum TimeoutAction {
    /** It is refused. */
    REJECT,
    /** It is served after all others of its priority. */
    DELAY
  }

  /** No bound and no timeout. */
  public static final QueuePolicy UNBOUNDED = new QueuePolicy(0, 0, TimeoutAction.REJECT, false);

  public QueuePolicy {
    if (maxSize < 0) {
      throw new IllegalArgumentException("max_queue_size: " + maxSize + " (expected: >= 0)");
    }
    if (timeoutNanos < 0) {
      throw new IllegalArgumentException("timeout: " + timeoutNanos + " ns (expected: >= 0)");
    }
  }

  /**
   * The timeout of a call that asks for one, 0 for none. As in Triton it may only be shorter than
   * the queue's own, so a queue without a timeout gives a call none either.
   */
  public long timeoutNanos(long asked) {
    return overridable && asked > 0 ? Math.min(asked, timeoutNanos) : timeoutNanos;
  }
}
