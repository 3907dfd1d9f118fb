package io.espalier.loadtest.live;

import io.espalier.loadtest.process.Footprint;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToLongFunction;

/**
 * What became of a process's footprint over a long run: the first fifth of its readings beside the
 * last. Memory by the medians; what is counted by the least, since a request, a snapshot that is
 * exchanged, or a connection needs some for a while.
 */
final class Growth {
  private static final int PARTS = 5;

  private final List<Footprint> readings = new ArrayList<>();

  void add(Footprint reading) {
    readings.add(reading);
  }

  /** The last reading. */
  Footprint last() {
    return readings.getLast();
  }

  /**
   * How one figure went.
   *
   * @param before in the first fifth
   * @param after in the last
   */
  record Change(long before, long after) {
    /** How much more it is in the end, of what it was; negative where it is less. */
    double share() {
      return (after - before) / (double) before;
    }
  }

  Change resident() {
    return memory(Footprint::resident);
  }

  Change committed() {
    return memory(Footprint::committed);
  }

  /** How many readings lack a figure of memory: they say nothing of what became of it. */
  long unread() {
    return readings.stream()
        .filter(reading -> reading.resident() == 0 || reading.committed() == 0)
        .count();
  }

  Change threads() {
    return count(Footprint::threads);
  }

  Change descriptors() {
    return count(Footprint::descriptors);
  }

  Change mappings() {
    return count(Footprint::mappings);
  }

  /**
   * Whether memory was read each time and grew by less than a share, and nothing that is counted
   * was left behind.
   */
  boolean holds(double most) {
    return unread() == 0
        && resident().share() < most
        && committed().share() < most
        && threads().after() <= threads().before()
        && descriptors().after() <= descriptors().before()
        && mappings().after() <= mappings().before();
  }

  private Change memory(ToLongFunction<Footprint> figure) {
    return new Change(median(first(figure)), median(last(figure)));
  }

  private Change count(ToLongFunction<Footprint> figure) {
    return new Change(first(figure)[0], last(figure)[0]);
  }

  private static long median(long[] sorted) {
    return sorted[sorted.length / 2];
  }

  private long[] first(ToLongFunction<Footprint> figure) {
    return readings.subList(0, part()).stream().mapToLong(figure).sorted().toArray();
  }

  private long[] last(ToLongFunction<Footprint> figure) {
    return readings.subList(readings.size() - part(), readings.size()).stream()
        .mapToLong(figure)
        .sorted()
        .toArray();
  }

  private int part() {
    if (readings.isEmpty()) {
      throw new IllegalStateException("nothing was read");
    }
    return Math.ceilDiv(readings.size(), PARTS);
  }
}
