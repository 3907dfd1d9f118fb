package io.espalier.router;

import com.google.protobuf.Timestamp;
import com.google.protobuf.util.Timestamps;
import io.espalier.events.v1.Event;
import io.espalier.events.v1.EventRecord;
import io.espalier.events.v1.Interaction;
import io.espalier.router.events.EventCodec;
import io.espalier.router.events.EventJournal;
import io.espalier.router.v1.RecordEventsRequest;
import io.espalier.router.v1.RecordEventsResponse;
import io.espalier.server.Deadlines;
import io.espalier.server.RequestException;
import io.espalier.stores.users.EventKind;
import io.espalier.stores.users.UserEvent;
import io.espalier.stores.users.UserHash;
import io.espalier.stores.users.UserStateStore;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Brings what users did into their state, and takes them out of all that this router keeps. */
final class UserRecords {
  // For callers who bring no deadline.
  private static final Duration PATIENCE = Duration.ofSeconds(5);
  private static final Duration CLOCK_SKEW = Duration.ofMinutes(5);

  private final UserStateStore users;
  private final @Nullable EventJournal journal;
  private final Consumer<String> forget;
  private final InstantSource clock;

  /**
   * Records for a router.
   *
   * @param lists that the router keeps
   * @param journal where what users did is logged; null where it is not
   */
  UserRecords(
      UserStateStore users,
      PinnedLists lists,
      @Nullable EventJournal journal,
      InstantSource clock) {
    this.users = users;
    this.journal = journal;
    this.clock = clock;
    this.forget =
        hash -> {
          lists.erase(hash);
          if (journal != null) {
            journal.forget(hash);
          }
        };
    users.onErasure(forget);
  }

  RecordEventsResponse record(RecordEventsRequest request) {
    Instant now = clock.instant();
    List<UserEvent> events = new ArrayList<>(request.getEventsCount());
    for (int i = 0; i < request.getEventsCount(); i++) {
      Event event = request.getEvents(i);
      if (event.getEventId().isEmpty()) {
        throw RequestException.invalidArgument(
            "events[%d].event_id: empty (expected: 1 to 128 characters)".formatted(i));
      }
      events.add(
          new UserEvent(
              event.getEventId(),
              event.getItemId(),
              kind(event),
              event.hasTime() ? time(event.getTime(), i, now) : now,
              request.getRequestId(),
              event.hasPosition() ? OptionalInt.of(event.getPosition()) : OptionalInt.empty()));
    }
    UserStateStore.Recorded recorded = users.record(request.getUserId(), events, within());
    if (journal != null) {
      for (int i = 0; i < events.size(); i++) {
        log(journal, request, request.getEvents(i), events.get(i), now);
      }
    }
    return RecordEventsResponse.newBuilder()
        .setAccepted(recorded.accepted())
        .setDuplicates(recorded.duplicates())
        .setErased(recorded.erased())
        .build();
  }

  /** Duplicates too: who reads the log passes over the second of an event's id. */
  private static void log(
      EventJournal journal,
      RecordEventsRequest request,
      Event given,
      UserEvent event,
      Instant received) {
    journal.offer(
        request.getUserId(),
        event.time(),
        () ->
            EventRecord.newBuilder()
                .setInteraction(
                    Interaction.newBuilder()
                        .setRequestId(request.getRequestId())
                        .setUserId(request.getUserId())
                        .setEvent(given.toBuilder().setTime(EventCodec.timestamp(event.time())))
                        .setReceived(EventCodec.timestamp(received)))
                .build());
  }

  /** Forgets a user; what this router keeps of him goes whether the store can be reached or not. */
  void erase(String user) {
    try {
      users.erase(user, clock.instant(), within());
    } finally {
      forget.accept(UserHash.of(user));
    }
  }

  private static Duration within() {
    return Deadlines.remaining().orElse(PATIENCE);
  }

  /**
   * A time far ahead of this clock counts as now: it would stand before all that the user does
   * until then.
   */
  private static Instant time(Timestamp time, int index, Instant now) {
    if (!Timestamps.isValid(time)) {
      throw RequestException.invalidArgument(
          "events[%d].time: %d s and %d ns (expected: a time in the years 1 to 9999)"
              .formatted(index, time.getSeconds(), time.getNanos()));
    }
    Instant given = Instant.ofEpochSecond(time.getSeconds(), time.getNanos());
    return given.isAfter(now.plus(CLOCK_SKEW)) ? now : given;
  }

  private static EventKind kind(Event event) {
    return switch (event.getKind()) {
      case EVENT_KIND_IMPRESSION -> EventKind.IMPRESSION;
      case EVENT_KIND_ADD_TO_CART -> EventKind.ADD_TO_CART;
      case EVENT_KIND_PURCHASE -> EventKind.PURCHASE;
      case EVENT_KIND_CLICK, EVENT_KIND_UNSPECIFIED, UNRECOGNIZED -> EventKind.CLICK;
    };
  }
}
