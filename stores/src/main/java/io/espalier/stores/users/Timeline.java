package io.espalier.stores.users;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * The most recent events of one user and kind group, in the order of their time.
 *
 * <p>What it holds does not depend on the order in which events arrive: a late event slots in at
 * its time, and the oldest fall out beyond the limit. Ids are remembered for four times as many
 * events as are kept, so that a second delivery is known although the first has fallen out. Guarded
 * by the lock of its user.
 */
final class Timeline {
  private static final int IDS_PER_EVENT = 4;

  private final int limit;
  private final List<UserEvent> events = new ArrayList<>();
  private final Set<String> ids = new HashSet<>();
  private final Deque<String> idsByArrival = new ArrayDeque<>();

  Timeline(int limit) {
    this.limit = limit;
  }

  boolean knows(String eventId) {
    if (eventId.isEmpty() || ids.contains(eventId)) {
      return !eventId.isEmpty();
    }
    // Late events may have taken the place of a kept one among the remembered ids.
    for (UserEvent event : events) {
      if (event.eventId().equals(eventId)) {
        return true;
      }
    }
    return false;
  }

  void add(UserEvent event) {
    remember(event.eventId());
    int at = Collections.binarySearch(events, event, UserEvent.ORDER);
    int slot = at >= 0 ? at + 1 : -at - 1;
    if (slot == 0 && events.size() == limit) {
      return;
    }
    events.add(slot, event);
    if (events.size() > limit) {
      events.removeFirst();
    }
  }

  private void remember(String eventId) {
    if (eventId.isEmpty()) {
      return;
    }
    ids.add(eventId);
    idsByArrival.addLast(eventId);
    if (idsByArrival.size() > IDS_PER_EVENT * limit) {
      ids.remove(idsByArrival.removeFirst());
    }
  }

  /** Oldest first. */
  List<UserEvent> events() {
    return events;
  }
}
