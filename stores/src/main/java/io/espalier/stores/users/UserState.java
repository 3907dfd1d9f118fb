package io.espalier.stores.users;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** What is remembered of one user. Guarded by its own monitor. */
final class UserState {
  private final Timeline impressions;
  private final Timeline interactions;

  UserState(int limit) {
    this.impressions = new Timeline(limit);
    this.interactions = new Timeline(limit);
  }

  boolean isEmpty() {
    return impressions.events().isEmpty() && interactions.events().isEmpty();
  }

  boolean knows(String eventId) {
    return impressions.knows(eventId) || interactions.knows(eventId);
  }

  void add(UserEvent event) {
    (event.kind() == EventKind.IMPRESSION ? impressions : interactions).add(event);
  }

  List<UserEvent> recent(Set<EventKind> kinds, int max) {
    List<UserEvent> found = new ArrayList<>();
    for (UserEvent event : interactions.events()) {
      if (kinds.contains(event.kind())) {
        found.add(event);
      }
    }
    if (kinds.contains(EventKind.IMPRESSION)) {
      found.addAll(impressions.events());
      found.sort(UserEvent.ORDER);
    }
    return List.copyOf(found.subList(Math.max(0, found.size() - max), found.size()));
  }
}
