package io.espalier.loadtest;

import io.espalier.catalog.v1.Filter;
import io.espalier.catalog.v1.ItemIds;

/**
 * Filters that nobody asked for before: every item but one that is not there. Servers keep what
 * filters compile to; each of these is compiled anew, though answers are what they are without.
 */
final class UnseenFilters {
  private final long seed;
  private int made;

  /**
   * Makes filters.
   *
   * @param seed others have others
   */
  UnseenFilters(long seed) {
    this.seed = seed;
  }

  Filter next() {
    ItemIds none = ItemIds.newBuilder().addIds("unseen-" + seed + "-" + made++).build();
    return Filter.newBuilder().setNot(Filter.newBuilder().setIds(none)).build();
  }
}
