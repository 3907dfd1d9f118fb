package io.espalier.stores.users;

import static io.espalier.stores.users.UserStateStore.INTERACTIONS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.stores.catalog.DataFolder;
import io.espalier.stores.log.LogException;
import io.espalier.stores.users.UserStateStore.Recorded;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class UserStateStoreTest {
  private static final long SEED = 20_261;

  @TempDir Path directory;

  @Test
  void recent_lateEvent_slotsInAtItsTime() {
    try (UserStateStore store = UserStateStore.inMemory(3)) {
      store.record("u", List.of(click("e1", "a", 10), click("e3", "c", 30)));
      store.record("u", List.of(click("e2", "b", 20)));

      assertThat(items(store, "u")).containsExactly("a", "b", "c");

      store.record("u", List.of(click("e4", "d", 40)));
      store.record("u", List.of(click("e0", "z", 5)));
      assertThat(items(store, "u")).containsExactly("b", "c", "d");
    }
  }

  @Test
  void record_sameEventTwice_changesNothing() {
    try (UserStateStore store = UserStateStore.inMemory(10)) {
      UserEvent event = click("e1", "a", 10);

      assertThat(store.record("u", List.of(event, event))).isEqualTo(new Recorded(1, 1));
      assertThat(store.record("u", List.of(click("e1", "other", 99))))
          .isEqualTo(new Recorded(0, 1));
      assertThat(store.record("v", List.of(event))).isEqualTo(new Recorded(1, 0));
      assertThat(items(store, "u")).containsExactly("a");
    }
  }

  @Test
  void record_eventsWithoutId_areAllKept() {
    try (UserStateStore store = UserStateStore.inMemory(10)) {
      assertThat(store.record("u", List.of(click("", "a", 1), click("", "a", 1))))
          .isEqualTo(new Recorded(2, 0));
    }
  }

  @Test
  void recent_impressions_doNotPushClicksOut() {
    try (UserStateStore store = UserStateStore.inMemory(2)) {
      store.record("u", List.of(click("c", "clicked", 1)));
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
                    OptionalInt.of(i))));
      }

      assertThat(items(store, "u")).containsExactly("clicked");
      assertThat(store.recent("u", EnumSet.allOf(EventKind.class), 10))
          .extracting(UserEvent::itemId)
          .containsExactly("clicked", "shown8", "shown9");
    }
  }

  @Test
  void recent_max_isTheNewest() {
    try (UserStateStore store = UserStateStore.inMemory(10)) {
      store.record("u", List.of(click("1", "a", 1), click("2", "b", 2), click("3", "c", 3)));

      assertThat(store.recent("u", INTERACTIONS, 2))
          .extracting(UserEvent::itemId)
          .containsExactly("b", "c");
      assertThat(store.recent("u", INTERACTIONS, 0)).isEmpty();
      assertThat(store.recent("nobody", INTERACTIONS, 2)).isEmpty();
      assertThat(store.knows("nobody")).isFalse();
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
      try (UserStateStore store = UserStateStore.inMemory(limit)) {
        deliveries.forEach(event -> store.record("u", List.of(event)));

        assertThat(store.recent("u", INTERACTIONS, 100)).isEqualTo(expected);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Durability.class)
  void open_afterClose_replaysEverything(Durability durability) {
    UserEvent whole =
        new UserEvent(
            "e1",
            "ä",
            EventKind.PURCHASE,
            Instant.ofEpochSecond(7, 123_456_789),
            "request",
            OptionalInt.of(4));
    try (UserStateStore store = UserStateStore.open(directory, 10, durability)) {
      store.record("u", List.of(whole));
      store.record("v", List.of(click("e1", "b", 1), click("e2", "c", 2)));
    }

    try (UserStateStore store = UserStateStore.open(directory, 10, durability)) {
      assertThat(store.recent("u", INTERACTIONS, 10)).containsExactly(whole);
      assertThat(items(store, "v")).containsExactly("b", "c");
      assertThat(store.size()).isEqualTo(2);
      assertThat(store.record("u", List.of(whole))).isEqualTo(new Recorded(0, 1));
    }
  }

  @Test
  void open_cutAtEveryByte_keepsWholeEventsAndGoesOn() throws IOException {
    try (UserStateStore store = UserStateStore.open(directory, 100, Durability.WRITTEN)) {
      store.record("u", List.of(click("e1", "a", 1)));
      store.record("u", List.of(click("e2", "b", 2)));
    }
    Path log = directory.resolve("user-events/00000000000000000001.log");
    byte[] whole = Files.readAllBytes(log);
    int first = whole.length / 2;
    for (int cut = 0; cut < whole.length; cut++) {
      Files.write(log, Arrays.copyOf(whole, cut));

      try (UserStateStore store = UserStateStore.open(directory, 100, Durability.WRITTEN)) {
        assertThat(items(store, "u"))
            .as("cut at %d", cut)
            .isEqualTo(cut < first ? List.of() : List.of("a"));
        store.record("u", List.of(click("e3", "c", 3)));
      }
      try (UserStateStore store = UserStateStore.open(directory, 100, Durability.WRITTEN)) {
        assertThat(items(store, "u")).as("cut at %d", cut).endsWith("c");
      }
    }
  }

  @Test
  void open_zerosAndNoiseAtTheEnd_areSetAside() throws IOException {
    try (UserStateStore store = UserStateStore.open(directory, 100, Durability.FORCED)) {
      store.record("u", List.of(click("e1", "a", 1)));
    }
    Path log = directory.resolve("user-events/00000000000000000001.log");
    long end = Files.size(log);
    try (FileChannel channel = FileChannel.open(log, StandardOpenOption.APPEND)) {
      channel.write(
          ByteBuffer.wrap(new byte[] {0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}));
      channel.write(ByteBuffer.allocate(4096));
    }

    try (UserStateStore store = UserStateStore.open(directory, 100, Durability.FORCED)) {
      assertThat(items(store, "u")).containsExactly("a");
    }
    assertThat(Files.size(log)).isEqualTo(end);
    assertThat(directory.resolve("user-events/unfinished-2-0")).hasSize(4096 + 17);
  }

  @Test
  void open_heldByAnother_isRefused() {
    try (UserStateStore store = UserStateStore.open(directory, 100, Durability.WRITTEN)) {
      assertThat(store.size()).isZero();
      assertThatThrownBy(() -> UserStateStore.open(directory, 100, Durability.WRITTEN))
          .isInstanceOf(LogException.class)
          .hasMessageContaining("held by another log");
    }
  }

  @Test
  void record_interruptedThread_stillLogs() {
    try (UserStateStore store = UserStateStore.open(directory, 100, Durability.FORCED)) {
      Thread.currentThread().interrupt();
      store.record("u", List.of(click("e1", "a", 1)));
      assertThat(Thread.interrupted()).isTrue();
      store.record("u", List.of(click("e2", "b", 2)));
    }
    try (UserStateStore store = UserStateStore.open(directory, 100, Durability.FORCED)) {
      assertThat(items(store, "u")).containsExactly("a", "b");
    }
  }

  @Test
  void record_manyThreads_losesNothing() throws Exception {
    int threads = 8;
    int events = 200;
    try (UserStateStore store = UserStateStore.open(directory, 10_000, Durability.FORCED);
        ExecutorService pool = Executors.newFixedThreadPool(threads)) {
      List<Future<Integer>> accepted = new ArrayList<>();
      for (int t = 0; t < threads; t++) {
        // Every event is delivered by two threads.
        int from = t / 2 * events;
        accepted.add(
            pool.submit(
                () -> {
                  int sum = 0;
                  for (int i = from; i < from + events; i++) {
                    sum +=
                        store.record("u" + i % 5, List.of(click("e" + i, "i" + i, i))).accepted();
                    store.recent("u" + i % 5, INTERACTIONS, 10);
                  }
                  return sum;
                }));
      }
      int sum = 0;
      for (Future<Integer> future : accepted) {
        sum += future.get();
      }
      assertThat(sum).isEqualTo(threads / 2 * events);
    }
    try (UserStateStore store = UserStateStore.open(directory, 10_000, Durability.FORCED)) {
      assertThat(
              Stream.of("u0", "u1", "u2", "u3", "u4").mapToInt(u -> items(store, u).size()).sum())
          .isEqualTo(threads / 2 * events);
    }
  }

  @Test
  void load_sequences_leavesTheTargetOut() throws IOException {
    Files.writeString(directory.resolve("items.jsonl"), "{\"id\":\"a\"}\n{\"id\":\"b\"}\n");
    Files.writeString(directory.resolve("sequences.tsv"), "u\t1 0 1\nv\t0\n");
    DataFolder folder = DataFolder.open(directory);
    try (UserStateStore store = UserStateStore.inMemory(10)) {
      assertThat(store.load(folder, 1)).isEqualTo(2);

      assertThat(items(store, "u")).containsExactly("b", "a");
      assertThat(items(store, "v")).isEmpty();
      store.record("u", List.of(click("new", "c", 1_000_000_000)));
      assertThat(items(store, "u")).containsExactly("b", "a", "c");
    }
  }

  @Test
  void load_events_keepsTheirTimes() throws IOException {
    Files.writeString(directory.resolve("items.jsonl"), "{\"id\":\"a\"}\n{\"id\":\"b\"}\n");
    Files.writeString(
        directory.resolve("events.tsv"),
        "u\t200\tclick\ta\t\t3\t1\nu\t150\timpression\ta\t\t3\t1\nu\t100\tpurchase\tb\tlamp\t\t\n");
    try (UserStateStore store = UserStateStore.inMemory(10)) {
      assertThat(store.load(DataFolder.open(directory), 0)).isEqualTo(1);

      assertThat(store.recent("u", EnumSet.allOf(EventKind.class), 10))
          .containsExactly(
              new UserEvent("", "b", EventKind.PURCHASE, Instant.ofEpochSecond(100)),
              new UserEvent(
                  "", "a", EventKind.CLICK, Instant.ofEpochSecond(200), "", OptionalInt.of(3)));
    }
  }

  @Test
  void record_badInput_isRefused() {
    try (UserStateStore store = UserStateStore.inMemory(10)) {
      assertThatThrownBy(() -> store.record("", List.of()))
          .hasMessage("user: empty (expected: a user's id)");
      assertThatThrownBy(() -> click("e", "", 1)).hasMessageContaining("itemId: empty");
      assertThatThrownBy(() -> click("x".repeat(1025), "a", 1))
          .hasMessage("eventId: 1025 characters (expected: <= 1024)");
      assertThatThrownBy(() -> UserStateStore.inMemory(0)).hasMessage("limit: 0 (expected: >= 1)");
    }
  }

  private static UserEvent click(String id, String item, long seconds) {
    return new UserEvent(id, item, EventKind.CLICK, Instant.ofEpochSecond(seconds));
  }

  private static List<String> items(UserStateStore store, String user) {
    return store.recent(user, INTERACTIONS, 10_000).stream().map(UserEvent::itemId).toList();
  }
}
