package io.espalier.catalog;

import java.time.Duration;

/**
 * When a writer publishes snapshots, and how many are kept.
 *
 * @param keep snapshots that can be returned to and begun from, at least 1
 * @param changes that a snapshot is published after; 0 for one to 50 items, 1,000 at least and
 *     5,000 at most
 * @param maxAge a snapshot is published when the last one is this old and anything has changed
 * @param busyShare of the time that publishing goes on while the machine is busy and the next
 *     snapshot is not due yet, above 0, at most 1
 */
public record SnapshotSettings(int keep, int changes, Duration maxAge, double busyShare) {
  public SnapshotSettings {
    if (keep < 1) {
      throw new IllegalArgumentException("keep: " + keep + " (expected: >= 1)");
    }
    if (changes < 0) {
      throw new IllegalArgumentException("changes: " + changes + " (expected: >= 0)");
    }
    if (maxAge.isNegative() || maxAge.isZero()) {
      throw new IllegalArgumentException("max_age: " + maxAge + " (expected: > 0)");
    }
    if (!(busyShare > 0 && busyShare <= 1)) {
      throw new IllegalArgumentException("busy_share: " + busyShare + " (expected: > 0, <= 1)");
    }
  }

  /** Five snapshots, by the number of items or after ten minutes, a quarter of the time. */
  public static SnapshotSettings defaults() {
    return new SnapshotSettings(5, 0, Duration.ofMinutes(10), 0.25);
  }

  /** Changes after which a snapshot of so many items is due. */
  int changesAllowed(int items) {
    return changes > 0 ? changes : DeltaBounds.changesAllowed(items);
  }
}
