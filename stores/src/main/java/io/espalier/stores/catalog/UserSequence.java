package io.espalier.stores.catalog;

import java.util.Arrays;

/**
 * The items that one user chose, oldest first, as positions in the items file.
 *
 * <p>Leave-one-out: the last item is the test target, the one before it the validation target, the
 * rest is training.
 */
public final class UserSequence {
  private final String user;
  private final int[] items;

  UserSequence(String user, int[] items) {
    this.user = user;
    this.items = items;
  }

  /** External id of the user. */
  public String user() {
    return user;
  }

  /** How many items. */
  public int length() {
    return items.length;
  }

  /** The item at a position, 0 being the oldest. */
  public int item(int position) {
    return items[position];
  }

  /** All items, oldest first. */
  public int[] items() {
    return items.clone();
  }

  /** The first {@code length} items, oldest first. */
  public int[] first(int length) {
    return Arrays.copyOf(items, length);
  }

  @Override
  public String toString() {
    return user + Arrays.toString(items);
  }
}
