package io.espalier.shop;

import java.util.List;

/** What one user did. */
final class History {

  /** A search; {@code bought} is -1 when nothing was bought. */
  record Search(long time, String query, Intent intent, int bought) {}

  private final String user;
  private final int[] sequence;
  private final List<Event> events;
  private final List<Search> searches;
  private final long heldOut;
  private final int[] oracle;

  History(
      String user,
      int[] sequence,
      List<Event> events,
      List<Search> searches,
      long heldOut,
      int[] oracle) {
    this.user = user;
    this.sequence = sequence;
    this.events = List.copyOf(events);
    this.searches = List.copyOf(searches);
    this.heldOut = heldOut;
    this.oracle = oracle;
  }

  /** External id: {@code U} and digits. */
  String user() {
    return user;
  }

  /** The products bought, each once, oldest first. */
  int[] sequence() {
    return sequence;
  }

  /** The log, oldest first. */
  List<Event> events() {
    return events;
  }

  /** The searches, oldest first. */
  List<Search> searches() {
    return searches;
  }

  /**
   * Whether what happened at a time (unix seconds) belongs to the tests: from after the last
   * purchase but two.
   */
  boolean heldOut(long time) {
    return time >= heldOut;
  }

  /** The oracle's list for the last purchase; empty for light users. */
  int[] oracle() {
    return oracle;
  }
}
