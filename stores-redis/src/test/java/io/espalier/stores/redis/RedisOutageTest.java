package io.espalier.stores.redis;

import static io.espalier.stores.users.UserStateStore.INTERACTIONS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.awaitility.Awaitility.await;

import io.espalier.stores.users.EmbeddedUserStates;
import io.espalier.stores.users.EventKind;
import io.espalier.stores.users.UserEvent;
import io.espalier.stores.users.UserStateException;
import io.espalier.stores.users.UserStateStore.Recorded;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A server that stands still, is killed and comes back. */
class RedisOutageTest {
  private static final Duration WITHIN = Duration.ofSeconds(60);
  private static final Duration SHORT = Duration.ofMillis(50);

  @TempDir Path folder;
  private RedisServer server;
  private RedisUserStates store;

  @BeforeEach
  void start() throws Exception {
    server = RedisServer.start(folder);
    store = open(server.address());
  }

  @AfterEach
  void stop() throws Exception {
    if (server != null) {
      server.thaw();
      store.close();
      server.close();
    }
  }

  private static RedisUserStates open(RedisAddress address) {
    return RedisUserStates.open(address, EmbeddedUserStates.inMemory(100), 100);
  }

  private Recorded record(String id, Duration within) {
    return store.record(
        "u", List.of(new UserEvent(id, id, EventKind.CLICK, Instant.EPOCH)), within);
  }

  private List<String> items(Duration within) {
    return store.recent("u", INTERACTIONS, 10_000, within).stream().map(UserEvent::itemId).toList();
  }

  private static UserStateException failure(Runnable call) {
    return catchThrowableOfType(UserStateException.class, call::run);
  }

  @Test
  void calls_serverStandsStill_endInTheirTimeAndGoOnAfterwards() throws Exception {
    record("before", WITHIN);
    server.freeze();
    assertThat(failure(() -> items(SHORT)).isLate()).isTrue();
    assertThat(failure(() -> record("late", SHORT)).isLate()).isTrue();
    assertThat(failure(() -> store.erase("v", Instant.EPOCH, SHORT)).isLate()).isTrue();
    server.thaw();

    // The change that was given up may have been made: a second delivery tells, and does no harm.
    Recorded again = record("late", WITHIN);
    assertThat(again.accepted() + again.duplicates()).isEqualTo(1);
    assertThat(items(WITHIN)).containsExactly("before", "late");
  }

  @Test
  void calls_manyWhileServerStandsStill_neitherPileUpNorHang() throws Exception {
    record("before", WITHIN);
    server.freeze();
    AtomicInteger late = new AtomicInteger();
    AtomicInteger refused = new AtomicInteger();
    List<Future<?>> calls = new ArrayList<>();
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      for (int i = 0; i < 5_000; i++) {
        calls.add(
            threads.submit(
                () -> (failure(() -> items(SHORT)).isLate() ? late : refused).incrementAndGet()));
      }
    }
    for (Future<?> call : calls) {
      call.get();
    }
    assertThat(late).hasPositiveValue();
    assertThat(refused).hasPositiveValue();
    assertThat(late.get() + refused.get()).isEqualTo(5_000);
    server.thaw();
    await().atMost(WITHIN).ignoreExceptions().until(() -> items(WITHIN).size() == 1);
  }

  @Test
  void calls_serverKilledAndStarted_failAtOnceThenFindItAgain() throws Exception {
    record("before", WITHIN);
    server.kill();
    // Those that notice it may be the ones that were under way.
    await()
        .atMost(WITHIN)
        .untilAsserted(() -> assertThat(failure(() -> items(SHORT)).isLate()).isFalse());
    assertThat(failure(() -> record("away", WITHIN)).isLate()).isFalse();
    server.start();

    await().atMost(WITHIN).ignoreExceptions().until(() -> items(SHORT).contains("before"));
    assertThat(record("away", WITHIN)).isEqualTo(new Recorded(1, 0));
    assertThat(record("before", WITHIN)).isEqualTo(new Recorded(0, 1));
    assertThat(items(WITHIN)).containsExactly("away", "before");
  }

  @Test
  void record_serverKilledTimeAndAgain_losesNothingThatWasAcknowledged() throws Exception {
    List<String> acknowledged = new ArrayList<>();
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      Future<Boolean> killer =
          threads.submit(
              () -> {
                for (int i = 0; i < 5; i++) {
                  Thread.sleep(200);
                  server.kill();
                  server.start();
                }
                return true;
              });
      for (int i = 0; !killer.isDone() || acknowledged.size() < 20; i++) {
        try {
          // No more than are kept.
          record("e" + i % 100, SHORT);
          acknowledged.add("e" + i % 100);
        } catch (UserStateException e) {
          Thread.sleep(5);
        }
      }
      assertThat(killer.get()).isTrue();
    }
    await()
        .atMost(WITHIN)
        .ignoreExceptions()
        .untilAsserted(
            () -> assertThat(items(WITHIN)).doesNotHaveDuplicates().containsAll(acknowledged));
  }

  @Test
  void connection_silent_isMadeAnew() throws Exception {
    try (Relay relay = new Relay(server.port());
        Connection connection = new Connection(relay.address(), Duration.ofSeconds(1))) {
      connection.awaitFirst();
      assertThat(ping(connection)).isEqualTo("PONG");
      relay.hold();
      await()
          .atMost(WITHIN)
          .ignoreExceptions()
          .until(() -> ping(connection), answer -> answer.equals("PONG"));
    }
  }

  @Test
  void record_connectionLostBeforeTheAnswer_isNotSentAgain() throws Exception {
    try (Relay relay = new Relay(server.port());
        RedisUserStates cut = open(relay.address());
        ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      UserEvent event = new UserEvent("e", "e", EventKind.CLICK, Instant.ofEpochSecond(9));
      cut.recent("u", INTERACTIONS, 1, WITHIN);
      relay.hold();
      Future<UserStateException> asked =
          threads.submit(() -> failure(() -> cut.record("u", List.of(event), WITHIN)));
      await().atMost(WITHIN).until(relay::held, held -> held.contains(":interactions"));
      // Neither the server nor the caller knows of it; another router erases the user meanwhile.
      store.erase("u", Instant.ofEpochSecond(1), WITHIN);
      relay.drop();

      assertThat(asked.get().isLate()).isFalse();
      await()
          .atMost(WITHIN)
          .ignoreExceptions()
          .until(() -> cut.recent("nobody", INTERACTIONS, 1, SHORT).isEmpty());
      assertThat(items(WITHIN)).isEmpty();
      assertThat(cut.record("u", List.of(event), WITHIN)).isEqualTo(new Recorded(1, 0));
    }
  }

  private static String ping(Connection connection) throws Exception {
    return connection.commands().ping().get(SHORT.toMillis(), TimeUnit.MILLISECONDS);
  }

  @Test
  void open_serverAway_comesLater() throws Exception {
    server.kill();
    try (RedisUserStates early = open(server.address())) {
      UserStateException away =
          failure(() -> early.recent("u", INTERACTIONS, 1, Duration.ofSeconds(1)));
      assertThat(away).hasMessage(server.address() + ": no connection");
      server.start();
      await()
          .atMost(WITHIN)
          .ignoreExceptions()
          .until(() -> early.recent("u", INTERACTIONS, 1, WITHIN).isEmpty());
    }
  }
}
