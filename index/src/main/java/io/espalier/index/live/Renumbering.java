package io.espalier.index.live;

/** Where a compaction put the items: their order stays, and what was removed leaves no gap. */
public final class Renumbering {
  // By old index: the new one, -1 for an item that is gone.
  private final int[] numbers;
  private final int size;

  Renumbering(int[] numbers, int size) {
    this.numbers = numbers;
    this.size = size;
  }

  /** Indices that were in use before: 0 to this, exclusive. */
  public int before() {
    return numbers.length;
  }

  /** Items that there are now. */
  public int size() {
    return size;
  }

  /** The index of an item now; −1 when it is gone. */
  public int of(int before) {
    return numbers[before];
  }
}
