package io.espalier.router;

import java.time.Duration;

/**
 * How much of what is left of a request's deadline a stage may use.
 *
 * @param share of what is left when the stage starts, in (0, 1]
 * @param max at most this long
 */
record Budget(double share, Duration max) {
  Budget {
    if (!(share > 0 && share <= 1)) {
      throw new IllegalArgumentException("share: %s (expected: 0 < share <= 1)".formatted(share));
    }
    if (!max.isPositive()) {
      throw new IllegalArgumentException("max: %s (expected: > 0)".formatted(max));
    }
  }

  /**
   * Nanoseconds for a stage that starts with {@code remaining} left, {@code reserve} of it not its
   * own.
   */
  long nanos(long remaining, long reserve) {
    long own = Math.min((long) (share * remaining), max.toNanos());
    return Math.max(0, Math.min(own, remaining - reserve));
  }
}
