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
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class EmbeddedUserStatesTest extends UserStateContract {
  @TempDir Path directory;

  @Override
  protected UserStateStore open(int limit) {
    return EmbeddedUserStates.inMemory(limit);
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
    try (EmbeddedUserStates store = EmbeddedUserStates.open(directory, 10, durability)) {
      store.record("u", List.of(whole), WITHIN);
      store.record("v", List.of(click("e1", "b", 1), click("e2", "c", 2)), WITHIN);
    }

    try (EmbeddedUserStates store = EmbeddedUserStates.open(directory, 10, durability)) {
      assertThat(store.recent("u", INTERACTIONS, 10, WITHIN)).containsExactly(whole);
      assertThat(items(store, "v")).containsExactly("b", "c");
      assertThat(store.size()).isEqualTo(2);
      assertThat(store.record("u", List.of(whole), WITHIN)).isEqualTo(new Recorded(0, 1));
    }
  }

  @Test
  void open_cutAtEveryByte_keepsWholeEventsAndGoesOn() throws IOException {
    try (EmbeddedUserStates store = EmbeddedUserStates.open(directory, 100, Durability.WRITTEN)) {
      store.record("u", List.of(click("e1", "a", 1)), WITHIN);
      store.record("u", List.of(click("e2", "b", 2)), WITHIN);
    }
    Path log = directory.resolve("user-events/00000000000000000001.log");
    byte[] whole = Files.readAllBytes(log);
    int first = whole.length / 2;
    for (int cut = 0; cut < whole.length; cut++) {
      Files.write(log, Arrays.copyOf(whole, cut));

      try (EmbeddedUserStates store = EmbeddedUserStates.open(directory, 100, Durability.WRITTEN)) {
        assertThat(items(store, "u"))
            .as("cut at %d", cut)
            .isEqualTo(cut < first ? List.of() : List.of("a"));
        store.record("u", List.of(click("e3", "c", 3)), WITHIN);
      }
      try (EmbeddedUserStates store = EmbeddedUserStates.open(directory, 100, Durability.WRITTEN)) {
        assertThat(items(store, "u")).as("cut at %d", cut).endsWith("c");
      }
    }
  }

  @Test
  void open_zerosAndNoiseAtTheEnd_areSetAside() throws IOException {
    try (EmbeddedUserStates store = EmbeddedUserStates.open(directory, 100, Durability.FORCED)) {
      store.record("u", List.of(click("e1", "a", 1)), WITHIN);
    }
    Path log = directory.resolve("user-events/00000000000000000001.log");
    long end = Files.size(log);
    try (FileChannel channel = FileChannel.open(log, StandardOpenOption.APPEND)) {
      channel.write(
          ByteBuffer.wrap(new byte[] {0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}));
      channel.write(ByteBuffer.allocate(4096));
    }

    try (EmbeddedUserStates store = EmbeddedUserStates.open(directory, 100, Durability.FORCED)) {
      assertThat(items(store, "u")).containsExactly("a");
    }
    assertThat(Files.size(log)).isEqualTo(end);
    assertThat(directory.resolve("user-events/unfinished-2-0")).hasSize(4096 + 17);
  }

  @Test
  void open_heldByAnother_isRefused() {
    try (EmbeddedUserStates store = EmbeddedUserStates.open(directory, 100, Durability.WRITTEN)) {
      assertThat(store.size()).isZero();
      assertThatThrownBy(() -> EmbeddedUserStates.open(directory, 100, Durability.WRITTEN))
          .isInstanceOf(LogException.class)
          .hasMessageContaining("held by another");
    }
  }

  @Test
  void record_interruptedThread_stillLogs() {
    try (EmbeddedUserStates store = EmbeddedUserStates.open(directory, 100, Durability.FORCED)) {
      Thread.currentThread().interrupt();
      store.record("u", List.of(click("e1", "a", 1)), WITHIN);
      assertThat(Thread.interrupted()).isTrue();
      store.record("u", List.of(click("e2", "b", 2)), WITHIN);
    }
    try (EmbeddedUserStates store = EmbeddedUserStates.open(directory, 100, Durability.FORCED)) {
      assertThat(items(store, "u")).containsExactly("a", "b");
    }
  }

  @Test
  void record_manyThreads_losesNothing() throws Exception {
    int threads = 8;
    int events = 200;
    try (EmbeddedUserStates store = EmbeddedUserStates.open(directory, 10_000, Durability.FORCED);
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
                        store
                            .record("u" + i % 5, List.of(click("e" + i, "i" + i, i)), WITHIN)
                            .accepted();
                    store.recent("u" + i % 5, INTERACTIONS, 10, WITHIN);
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
    try (EmbeddedUserStates store = EmbeddedUserStates.open(directory, 10_000, Durability.FORCED)) {
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
    try (EmbeddedUserStates store = EmbeddedUserStates.inMemory(10)) {
      assertThat(store.load(folder, 1)).isEqualTo(2);

      assertThat(items(store, "u")).containsExactly("b", "a");
      assertThat(items(store, "v")).isEmpty();
      store.record("u", List.of(click("new", "c", 1_000_000_000)), WITHIN);
      assertThat(items(store, "u")).containsExactly("b", "a", "c");
    }
  }

  @Test
  void load_events_keepsTheirTimes() throws IOException {
    Files.writeString(directory.resolve("items.jsonl"), "{\"id\":\"a\"}\n{\"id\":\"b\"}\n");
    Files.writeString(
        directory.resolve("events.tsv"),
        "u\t200\tclick\ta\t\t3\t1\nu\t150\timpression\ta\t\t3\t1\nu\t100\tpurchase\tb\tlamp\t\t\n");
    try (EmbeddedUserStates store = EmbeddedUserStates.inMemory(10)) {
      assertThat(store.load(DataFolder.open(directory), 0)).isEqualTo(1);

      assertThat(store.recent("u", EnumSet.allOf(EventKind.class), 10, WITHIN))
          .containsExactly(
              new UserEvent("", "b", EventKind.PURCHASE, Instant.ofEpochSecond(100)),
              new UserEvent(
                  "", "a", EventKind.CLICK, Instant.ofEpochSecond(200), "", OptionalInt.of(3)));
    }
  }

  @Test
  void open_afterErasure_replaysAndLoadsNothingOfTheUser() throws IOException {
    Path data = Files.createDirectories(directory.resolve("data"));
    Files.writeString(data.resolve("items.jsonl"), "{\"id\":\"a\"}\n{\"id\":\"b\"}\n");
    Files.writeString(data.resolve("sequences.tsv"), "u\t1 0\nv\t0\n");
    try (EmbeddedUserStates store = EmbeddedUserStates.open(directory, 10, Durability.WRITTEN)) {
      store.load(DataFolder.open(data), 0);
      store.record("u", List.of(click("e1", "a", 1)), WITHIN);
      store.erase("u", Instant.ofEpochSecond(1), WITHIN);
      assertThat(store.knows("u")).isFalse();
      store.record("u", List.of(click("e2", "new", 2)), WITHIN);
    }

    try (EmbeddedUserStates store = EmbeddedUserStates.open(directory, 10, Durability.WRITTEN)) {
      store.load(DataFolder.open(data), 0);
      assertThat(items(store, "u")).containsExactly("new");
      assertThat(items(store, "v")).containsExactly("a");
    }
  }

  @Test
  void erase_whileOthersRecord_losesNothingThatCameAfter() throws Exception {
    try (EmbeddedUserStates store = EmbeddedUserStates.open(directory, 10_000, Durability.WRITTEN);
        ExecutorService pool = Executors.newFixedThreadPool(4)) {
      List<Future<?>> done = new ArrayList<>();
      for (int t = 0; t < 3; t++) {
        int thread = t;
        done.add(
            pool.submit(
                () -> {
                  for (int i = 0; i < 300; i++) {
                    store.record("u", List.of(click(thread + "-" + i, "i", i)), WITHIN);
                  }
                }));
      }
      done.add(
          pool.submit(
              () -> {
                for (int i = 0; i < 50; i++) {
                  store.erase("u", Instant.EPOCH.minusSeconds(1), WITHIN);
                }
              }));
      for (Future<?> future : done) {
        future.get();
      }
      List<UserEvent> kept = store.recent("u", INTERACTIONS, 10_000, WITHIN);
      store.close();
      try (EmbeddedUserStates replayed =
          EmbeddedUserStates.open(directory, 10_000, Durability.WRITTEN)) {
        assertThat(replayed.recent("u", INTERACTIONS, 10_000, WITHIN)).isEqualTo(kept);
      }
    }
  }

  @Test
  void erase_user_leavesNothingOnTheDiskThatCanBeRead() throws IOException {
    byte[] keysBefore;
    try (EmbeddedUserStates store = EmbeddedUserStates.open(directory, 10, Durability.WRITTEN)) {
      UserEvent event =
          new UserEvent(
              "e1",
              "item-of-the-erased",
              EventKind.CLICK,
              Instant.ofEpochSecond(1),
              "request-of-the-erased",
              OptionalInt.empty());
      store.record("user-to-be-erased", List.of(event), WITHIN);
      store.record("user-who-stays", List.of(click("e1", "b", 1)), WITHIN);
      keysBefore = Files.readAllBytes(directory.resolve("user-keys"));
      store.erase("user-to-be-erased", Instant.ofEpochSecond(1), WITHIN);
    }
    byte[] keysAfter = Files.readAllBytes(directory.resolve("user-keys"));
    // Of the first slot nothing of key and id is left but zeros.
    assertThat(Arrays.copyOfRange(keysBefore, 20, 68)).isNotEqualTo(new byte[48]);
    assertThat(Arrays.copyOfRange(keysAfter, 20, 68)).isEqualTo(new byte[48]);
    assertThat(Arrays.copyOfRange(keysAfter, 128, 256))
        .isEqualTo(Arrays.copyOfRange(keysBefore, 128, 256));
    try (Stream<Path> files = Files.walk(directory)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        assertThat(Files.readString(file, StandardCharsets.ISO_8859_1))
            .as(file.toString())
            .doesNotContain("of-the-erased", "user-to-be-erased", "user-who-stays");
      }
    }
    try (EmbeddedUserStates store = EmbeddedUserStates.open(directory, 10, Durability.WRITTEN)) {
      assertThat(items(store, "user-to-be-erased")).isEmpty();
      assertThat(items(store, "user-who-stays")).containsExactly("b");
      assertThat(store.record("user-to-be-erased", List.of(click("late", "a", 1)), WITHIN).erased())
          .isEqualTo(1);
    }
  }

  @Test
  void inMemory_noLimit_isRefused() {
    assertThatThrownBy(() -> EmbeddedUserStates.inMemory(0))
        .hasMessage("limit: 0 (expected: >= 1)");
  }
}
