package io.espalier.stores.users;

import java.time.Instant;
import java.util.Comparator;
import java.util.Objects;
import java.util.OptionalInt;

/**
 * One interaction of a user with an item.
 *
 * @param eventId identifies the event; empty for events that nobody will deliver twice
 * @param itemId external id of the item
 * @param kind what happened
 * @param time when it happened
 * @param requestId the answer that the event follows from; empty when none
 * @param position place in the list that was shown, from 0
 */
public record UserEvent(
    String eventId,
    String itemId,
    EventKind kind,
    Instant time,
    String requestId,
    OptionalInt position) {
  private static final int MAX_ID_LENGTH = 1024;

  /** By time; events of the same instant by item and id, so that the order is total. */
  public static final Comparator<UserEvent> ORDER =
      Comparator.comparing(UserEvent::time)
          .thenComparing(UserEvent::itemId)
          .thenComparing(UserEvent::eventId);

  public UserEvent {
    checkId("eventId", eventId);
    checkId("itemId", itemId);
    checkId("requestId", requestId);
    if (itemId.isEmpty()) {
      throw new IllegalArgumentException("itemId: empty (expected: an external id)");
    }
    Objects.requireNonNull(kind, "kind");
    Objects.requireNonNull(time, "time");
    if (position.isPresent() && position.getAsInt() < 0) {
      throw new IllegalArgumentException("position: " + position.getAsInt() + " (expected: >= 0)");
    }
  }

  /** An event outside any answer. */
  public UserEvent(String eventId, String itemId, EventKind kind, Instant time) {
    this(eventId, itemId, kind, time, "", OptionalInt.empty());
  }

  /** Refuses what is no user's id. */
  public static void checkUser(String user) {
    checkId("user", user);
    if (user.isEmpty()) {
      throw new IllegalArgumentException("user: empty (expected: a user's id)");
    }
  }

  private static void checkId(String name, String id) {
    if (id.length() > MAX_ID_LENGTH) {
      throw new IllegalArgumentException(
          name + ": " + id.length() + " characters (expected: <= " + MAX_ID_LENGTH + ")");
    }
  }
}
