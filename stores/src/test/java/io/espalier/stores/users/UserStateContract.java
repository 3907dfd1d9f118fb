package io.espalier.stores.users;

import static io.espalier.stores.users.UserStateStore.INTERACTIONS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.espalier.stores.users.UserStateStore.Recorded;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

/** What every {@link UserStateStore} does. */
public abstract class UserStateContract {
  /** Long enough for a server on a busy machine. */
  protected static final Duration WITHIN = Duration.ofSeconds(60);

  private static final long SEED = 20_261;

  /** An empty store that keeps this many events of each user and kind group. */
  protected abstract UserStateStore open(int limit);

  @Test
  void recent_lateEvent_slotsInAtItsTime() {
    try (UserStateStore store = open(3)) {
      store.record("u", List.of(click("e1", "a", 10), click("e3", "c", 30)), WITHIN);
      store.record("u", List.of(click("e2", "b", 20)), WITHIN);

      assertThat(items(store, "u")).containsExactly("a", "b", "c");

      store.record("u", List.of(click("e4", "d", 40)), WITHIN);
      store.record("u", List.of(click("e0", "z", 5)), WITHIN);
      assertThat(items(store, "u")).containsExactly("b", "c", "d");
    }
  }

  @Test
  void record_sameEventTwice_changesNothing() {
    try (UserStateStore store = open(10)) {
      UserEvent event = click("e1", "a", 10);

      assertThat(store.record("u", List.of(event, event), WITHIN)).isEqualTo(new Recorded(1, 1));
      assertThat(store.record("u", List.of(click("e1", "other", 99)), WITHIN))
          .isEqualTo(new Recorded(0, 1));
      assertThat(store.record("v", List.of(event), WITHIN)).isEqualTo(new Recorded(1, 0));
      assertThat(items(store, "u")).containsExactly("a");
    }
  }

  @Test
  void record_eventsWithoutId_areAllKept() {
    try (UserStateStore store = open(10)) {
      assertThat(store.record("u", List.of(click("", "a", 1), click("", "a", 1)), WITHIN))
          .isEqualTo(new Recorded(2, 0));
    }
  }

  @Test
  void recent_impressions_doNotPushClicksOut() {
    try (UserStateStore store = open(2)) {
      store.record("u", List.of(click("c", "clicked", 1)), WITHIN);
      for (int i = 0; i < 10; i++) {
        store.record(
            "u",
            List.of(
                new UserEvent(
                    "i" + i,
                    "shown" + i,
                    EventKind.IMPRESSION,
                    Instant.ofEpochSecond(2 + i),
                    "request",
                    OptionalInt.of(i))),
            WITHIN);
      }

      assertThat(items(store, "u")).containsExactly("clicked");
      assertThat(store.recent("u", EnumSet.allOf(EventKind.class), 10, WITHIN))
          .extracting(UserEvent::itemId)
          .containsExactly("clicked", "shown8", "shown9");
    }
  }

  @Test
  void recent_max_isTheNewest() {
    try (UserStateStore store = open(10)) {
      store.record(
          "u", List.of(click("1", "a", 1), click("2", "b", 2), click("3", "c", 3)), WITHIN);

      assertThat(store.recent("u", INTERACTIONS, 2, WITHIN))
          .extracting(UserEvent::itemId)
          .containsExactly("b", "c");
      assertThat(store.recent("u", INTERACTIONS, 0, WITHIN)).isEmpty();
      assertThat(store.recent("nobody", INTERACTIONS, 2, WITHIN)).isEmpty();
    }
  }

  @Test
  void record_anyOrderWithDuplicates_givesTheSameState() {
    System.out.println("seed " + SEED);
    Random random = new Random(SEED);
    for (int round = 0; round < 200; round++) {
      int limit = 1 + random.nextInt(8);
      List<UserEvent> events = new ArrayList<>();
      for (int i = 0; i < 30; i++) {
        events.add(click("e" + i, "item" + random.nextInt(10), random.nextInt(15)));
      }
      List<UserEvent> expected =
          events.stream().sorted(UserEvent.ORDER).skip(events.size() - limit).toList();
      List<UserEvent> deliveries = new ArrayList<>(events);
      for (int i = 0; i < 10; i++) {
        deliveries.add(events.get(random.nextInt(events.size())));
      }
      Collections.shuffle(deliveries, random);
      try (UserStateStore store = open(limit)) {
        deliveries.forEach(event -> store.record("u", List.of(event), WITHIN));

        assertThat(store.recent("u", INTERACTIONS, 100, WITHIN)).isEqualTo(expected);
      }
    }
  }

  @Test
  void record_badInput_isRefused() {
    try (UserStateStore store = open(10)) {
      assertThatThrownBy(() -> store.record("", List.of(), WITHIN))
          .hasMessage("user: empty (expected: a user's id)");
      assertThatThrownBy(() -> store.erase("", Instant.EPOCH, WITHIN))
          .hasMessage("user: empty (expected: a user's id)");
      assertThatThrownBy(() -> click("e", "", 1)).hasMessageContaining("itemId: empty");
      assertThatThrownBy(() -> click("x".repeat(1025), "a", 1))
          .hasMessage("eventId: 1025 characters (expected: <= 1024)");
    }
  }

  @Test
  void recent_wholeEvent_comesBackAsItWas() {
    UserEvent whole =
        new UserEvent(
            "e\u00e4\ud83d\ude00",
            "i/\u20ac",
            EventKind.PURCHASE,
            Instant.ofEpochSecond(-7, 123_456_789),
            "request",
            OptionalInt.of(4));
    try (UserStateStore store = open(10)) {
      store.record("u\u00e4 {}:", List.of(whole, click("", "b", 2)), WITHIN);

      assertThat(store.recent("u\u00e4 {}:", INTERACTIONS, 10, WITHIN))
          .containsExactly(whole, click("", "b", 2));
    }
  }

  @Test
  void recent_someKinds_areTheNewestOfThese() {
    try (UserStateStore store = open(10)) {
      store.record(
          "u",
          List.of(
              event("1", "a", EventKind.PURCHASE, 1),
              event("2", "b", EventKind.CLICK, 2),
              event("3", "c", EventKind.IMPRESSION, 3),
              event("4", "d", EventKind.CLICK, 4)),
          WITHIN);

      assertThat(store.recent("u", EnumSet.of(EventKind.PURCHASE), 1, WITHIN))
          .extracting(UserEvent::itemId)
          .containsExactly("a");
      assertThat(store.recent("u", EnumSet.of(EventKind.CLICK, EventKind.IMPRESSION), 2, WITHIN))
          .extracting(UserEvent::itemId)
          .containsExactly("c", "d");
      assertThat(store.recent("u", EnumSet.noneOf(EventKind.class), 2, WITHIN)).isEmpty();
    }
  }

  @Test
  void record_duplicateAcrossKindsAndBeyondWhatIsKept_isKnown() {
    try (UserStateStore store = open(2)) {
      for (int i = 0; i < 8; i++) {
        store.record("u", List.of(click("e" + i, "a", i)), WITHIN);
      }
      assertThat(store.record("u", List.of(click("e0", "a", 0)), WITHIN))
          .isEqualTo(new Recorded(0, 1));
      assertThat(store.record("u", List.of(event("e7", "a", EventKind.IMPRESSION, 9)), WITHIN))
          .isEqualTo(new Recorded(0, 1));
      // Late ones push the ids of kept events out of those that are remembered.
      for (int i = 0; i < 20; i++) {
        store.record("u", List.of(click("late" + i, "a", -100 + i)), WITHIN);
      }
      assertThat(store.record("u", List.of(click("e7", "a", 7), click("e6", "z", 70)), WITHIN))
          .isEqualTo(new Recorded(0, 2));
      assertThat(store.record("u", List.of(click("e0", "a", 0)), WITHIN))
          .isEqualTo(new Recorded(1, 0));
      assertThat(items(store, "u")).containsExactly("a", "a");
    }
  }

  @Test
  void erase_user_isANewOneAfterwards() {
    try (UserStateStore store = open(10)) {
      List<UserEvent> events =
          List.of(click("1", "a", 1), event("2", "b", EventKind.IMPRESSION, 2));
      store.record("u", events, WITHIN);
      store.record("v", events, WITHIN);
      store.erase("u", Instant.ofEpochSecond(2), WITHIN);
      store.erase("nobody", Instant.ofEpochSecond(2), WITHIN);

      assertThat(store.recent("u", EnumSet.allOf(EventKind.class), 10, WITHIN)).isEmpty();
      assertThat(items(store, "v")).containsExactly("a");
      assertThat(store.record("u", List.of(click("1", "a", 3), click("2", "b", 4)), WITHIN))
          .isEqualTo(new Recorded(2, 0));
      assertThat(items(store, "u")).containsExactly("a", "b");
    }
  }

  @Test
  void record_eventOfBeforeTheErasure_isNotStoredHoweverLate() {
    try (UserStateStore store = open(10)) {
      store.record("u", List.of(click("1", "a", 1)), WITHIN);
      for (String user : List.of("u", "nobody")) {
        store.erase(user, Instant.ofEpochSecond(100, 500), WITHIN);
        UserEvent lastMoment =
            new UserEvent("3", "c", EventKind.CLICK, Instant.ofEpochSecond(100, 500));
        UserEvent after = new UserEvent("4", "d", EventKind.CLICK, Instant.ofEpochSecond(100, 501));
        assertThat(
                store.record(
                    user,
                    List.of(
                        click("1", "a", 1),
                        event("2", "b", EventKind.IMPRESSION, -5),
                        lastMoment,
                        after,
                        after),
                    WITHIN))
            .isEqualTo(new Recorded(1, 1, 3));
        assertThat(store.recent(user, EnumSet.allOf(EventKind.class), 10, WITHIN))
            .containsExactly(after);
        // An earlier erasure that arrives later takes nothing back of what is forgotten.
        store.erase(user, Instant.ofEpochSecond(50), WITHIN);
        assertThat(store.record(user, List.of(click("5", "e", 60)), WITHIN))
            .isEqualTo(new Recorded(0, 0, 1));
      }
    }
  }

  @Test
  void onErasure_user_isTold() {
    try (UserStateStore store = open(10)) {
      List<String> told = new CopyOnWriteArrayList<>();
      store.onErasure(told::add);
      store.erase("u", Instant.EPOCH, WITHIN);
      await().atMost(WITHIN).untilAsserted(() -> assertThat(told).contains(UserHash.of("u")));
    }
  }

  @Test
  void record_manyThreadsDeliverTwice_eachCountsOnce() throws Exception {
    int events = 200;
    try (UserStateStore store = open(1000);
        ExecutorService pool = Executors.newFixedThreadPool(8)) {
      List<Future<Integer>> accepted = new ArrayList<>();
      for (int t = 0; t < 8; t++) {
        int from = t / 2 * events;
        accepted.add(
            pool.submit(
                () -> {
                  int sum = 0;
                  for (int i = from; i < from + events; i++) {
                    sum +=
                        store.record("u", List.of(click("e" + i, "i" + i, i)), WITHIN).accepted();
                  }
                  return sum;
                }));
      }
      int sum = 0;
      for (Future<Integer> future : accepted) {
        sum += future.get();
      }
      assertThat(sum).isEqualTo(4 * events);
      assertThat(items(store, "u")).hasSize(4 * events);
    }
  }

  protected static UserEvent click(String id, String item, long seconds) {
    return event(id, item, EventKind.CLICK, seconds);
  }

  protected static UserEvent event(String id, String item, EventKind kind, long seconds) {
    return new UserEvent(id, item, kind, Instant.ofEpochSecond(seconds));
  }

  protected static List<String> items(UserStateStore store, String user) {
    return store.recent(user, INTERACTIONS, 10_000, WITHIN).stream()
        .map(UserEvent::itemId)
        .toList();
  }
}
