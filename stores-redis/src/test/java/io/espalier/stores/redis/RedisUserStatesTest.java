package io.espalier.stores.redis;

import static io.espalier.stores.users.UserStateStore.INTERACTIONS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.espalier.stores.catalog.DataFolder;
import io.espalier.stores.users.EmbeddedUserStates;
import io.espalier.stores.users.EventKind;
import io.espalier.stores.users.UserEvent;
import io.espalier.stores.users.UserHash;
import io.espalier.stores.users.UserStateContract;
import io.espalier.stores.users.UserStateException;
import io.espalier.stores.users.UserStateStore;
import io.espalier.stores.users.UserStateStore.Recorded;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RedisUserStatesTest extends UserStateContract {
  private static final long SEED = 20_262;

  @TempDir static Path folder;
  private static RedisServer server;

  @BeforeAll
  static void startServer() throws Exception {
    server = RedisServer.start(folder, "--appendonly", "no");
  }

  @AfterAll
  static void stopServer() {
    if (server != null) {
      server.close();
    }
  }

  @Override
  protected UserStateStore open(int limit) {
    try {
      server.say("FLUSHALL");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return open(EmbeddedUserStates.inMemory(limit), limit);
  }

  private static UserStateStore open(EmbeddedUserStates known, int limit) {
    return RedisUserStates.open(server.address(), known, limit);
  }

  @Test
  void operations_random_doAsTheEmbeddedStoreDoes() {
    System.out.println("seed " + SEED);
    Random random = new Random(SEED);
    for (int limit = 1; limit <= 8; limit++) {
      try (UserStateStore store = open(limit);
          UserStateStore embedded = EmbeddedUserStates.inMemory(limit)) {
        for (int step = 0; step < 600; step++) {
          String user = "u" + random.nextInt(5);
          if (random.nextInt(60) == 0) {
            Instant at = Instant.ofEpochSecond(random.nextInt(8) - 6);
            store.erase(user, at, WITHIN);
            embedded.erase(user, at, WITHIN);
          }
          List<UserEvent> events = events(random);
          assertThat(store.record(user, events, WITHIN))
              .as("limit %d, step %d", limit, step)
              .isEqualTo(embedded.record(user, events, WITHIN));
          Set<EventKind> kinds = kinds(random);
          int max = random.nextInt(2 * limit + 2);
          assertThat(store.recent(user, kinds, max, WITHIN))
              .as("limit %d, step %d", limit, step)
              .isEqualTo(embedded.recent(user, kinds, max, WITHIN));
        }
      }
    }
  }

  /** Few ids, times and texts, so that they often meet; some of several bytes a character. */
  private static List<UserEvent> events(Random random) {
    List<UserEvent> events = new ArrayList<>();
    for (int i = random.nextInt(5); i > 0; i--) {
      String id = random.nextInt(8) == 0 ? "" : "e" + random.nextInt(60);
      String item = List.of("a", "ab", "\u00e4", "\uffee", "\ud83d\ude00").get(random.nextInt(5));
      // Of two without an id at the same instant either may be the one that falls out.
      EventKind kind =
          id.isEmpty() ? EventKind.CLICK : List.of(EventKind.values()).get(random.nextInt(4));
      events.add(event(id, item, kind, random.nextInt(12) - 4));
    }
    return events;
  }

  private static Set<EventKind> kinds(Random random) {
    Set<EventKind> kinds = EnumSet.noneOf(EventKind.class);
    for (EventKind kind : EventKind.values()) {
      if (random.nextInt(4) > 0) {
        kinds.add(kind);
      }
    }
    return kinds;
  }

  @Test
  void open_anotherRouter_seesTheSame() {
    try (UserStateStore one = open(10);
        UserStateStore other = open(EmbeddedUserStates.inMemory(10), 10)) {
      one.record("u", List.of(click("1", "a", 1)), WITHIN);
      assertThat(other.record("u", List.of(click("1", "a", 1)), WITHIN))
          .isEqualTo(new Recorded(0, 1));
      assertThat(items(other, "u")).containsExactly("a");
      List<String> told = new CopyOnWriteArrayList<>();
      one.onErasure(told::add);
      other.erase("u", Instant.ofEpochSecond(1), WITHIN);
      assertThat(items(one, "u")).isEmpty();
      assertThat(one.record("u", List.of(click("2", "b", 1)), WITHIN).erased()).isEqualTo(1);
      await().atMost(WITHIN).untilAsserted(() -> assertThat(told).contains(UserHash.of("u")));
    }
  }

  @Test
  void recent_userOfTheDataFolder_isWhatIsKnownAndWhatWasRecorded(@TempDir Path data)
      throws IOException {
    Files.writeString(data.resolve("items.jsonl"), "{\"id\":\"a\"}\n{\"id\":\"b\"}\n");
    Files.writeString(data.resolve("sequences.tsv"), "u\t1 0 1\nv\t0\n");
    try (UserStateStore empty = open(1)) {
      assertThat(items(empty, "u")).isEmpty();
    }
    try (UserStateStore store = open(loaded(data), 10)) {
      store.record("u", List.of(click("1", "c", 1_000)), WITHIN);
      assertThat(items(store, "u")).containsExactly("b", "a", "b", "c");
      assertThat(store.recent("u", INTERACTIONS, 2, WITHIN))
          .extracting(UserEvent::itemId)
          .containsExactly("b", "c");
      store.erase("u", Instant.ofEpochSecond(1_500), WITHIN);
      store.record("u", List.of(click("2", "d", 2_000)), WITHIN);
      assertThat(items(store, "u")).containsExactly("d");
    }
    try (UserStateStore restarted = open(loaded(data), 10)) {
      assertThat(items(restarted, "u")).containsExactly("d");
      assertThat(items(restarted, "v")).containsExactly("a");
    }
  }

  private static EmbeddedUserStates loaded(Path data) {
    EmbeddedUserStates known = EmbeddedUserStates.inMemory(10);
    known.load(DataFolder.open(data), 0);
    return known;
  }

  @Test
  void recent_allThatARequestNeeds_isAskedBeforeTheFirstAnswer(@TempDir Path data)
      throws Exception {
    Files.writeString(data.resolve("items.jsonl"), "{\"id\":\"a\"}\n");
    Files.writeString(data.resolve("sequences.tsv"), "u\t0\n");
    open(1).close();
    try (Relay relay = new Relay(server.port());
        UserStateStore store = RedisUserStates.open(relay.address(), loaded(data), 10);
        ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      store.record("u", List.of(click("1", "b", 100)), WITHIN);
      relay.hold();
      Future<List<UserEvent>> asked =
          threads.submit(() -> store.recent("u", EnumSet.allOf(EventKind.class), 10, WITHIN));
      try {
        await()
            .atMost(WITHIN)
            .until(
                relay::held,
                held ->
                    held.contains(":interactions")
                        && held.contains(":impressions")
                        && held.contains(":erased"));
      } finally {
        relay.release();
      }
      assertThat(asked.get()).extracting(UserEvent::itemId).containsExactly("a", "b");
    }
  }

  @Test
  void erase_user_leavesNothingOfHisButAMark() throws IOException {
    try (UserStateStore store = open(10);
        RedisUserKeys keys = RedisUserKeys.open(server.address())) {
      store.record(
          "u", List.of(click("1", "a", 1), event("2", "b", EventKind.IMPRESSION, 2)), WITHIN);
      keys.keys(Set.of("u"), WITHIN);
      assertThat(server.say("DBSIZE")).isEqualTo(":6");
      store.erase("u", Instant.ofEpochSecond(2), WITHIN);
      // Until when he is forgotten, and that routers are to forget him.
      assertThat(server.say("DBSIZE")).isEqualTo(":2");
      assertThat(server.say("EXISTS " + UserPlaces.ERASED.of("u"))).isEqualTo(":1");
      assertThat(server.say("STRLEN " + UserPlaces.ERASED.of("u"))).isEqualTo(":12");
    }
  }

  @Test
  void recent_foreignBytes_saysWhere() throws IOException {
    try (UserStateStore store = open(10)) {
      server.say("ZADD " + UserPlaces.INTERACTIONS.of("u") + " 0 nonsense");
      assertThatThrownBy(() -> items(store, "u"))
          .isInstanceOf(UserStateException.class)
          .hasMessage(server.address() + ": an event cannot be read: 8 bytes (expected: an event)");
      server.say("SET " + UserPlaces.INTERACTIONS.of("v") + " 1");
      assertThatThrownBy(() -> items(store, "v"))
          .isInstanceOf(UserStateException.class)
          .hasMessageContaining("WRONGTYPE");
    }
  }
}
