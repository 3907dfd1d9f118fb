package io.espalier.catalog;

/**
 * How many changes may stand beside a snapshot. A batch of changes copies the delta, and a new
 * snapshot passes over all items: one change to so many items keeps both small beside the other,
 * within bounds.
 */
public final class DeltaBounds {
  private static final int ITEMS_A_CHANGE = 50;
  private static final int LEAST = 1_000;
  private static final int MOST = 5_000;

  private DeltaBounds() {}

  /** Changes after which a new snapshot of so many items pays. */
  public static int changesAllowed(int items) {
    return Math.clamp(items / ITEMS_A_CHANGE, LEAST, MOST);
  }
}
