package io.espalier.stores.redis;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.espalier.stores.features.FeatureRows;
import io.espalier.stores.features.FeatureStore;
import io.espalier.stores.features.FeatureStoreContract;
import io.espalier.stores.features.FeatureTable;
import io.espalier.stores.features.FetchOutcome;
import io.espalier.stores.features.RowIndex;
import io.espalier.stores.features.VectorFeature;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The contract over a real server, and what happens when that is slow or away. */
class RedisFeaturesTest extends FeatureStoreContract {
  private static final String BUNDLE = "ranker@1";
  private static final long CACHE = 1 << 20;
  private static final Duration SHORT = Duration.ofMillis(50);

  @TempDir static Path folder;
  private static RedisServer server;
  private static RedisFeatureTables tables;

  @BeforeAll
  static void startServer() throws Exception {
    server = RedisServer.start(folder, "--appendonly", "no");
    tables = RedisFeatureTables.open(server.address());
  }

  @AfterAll
  static void stopServer() {
    if (server != null) {
      tables.close();
      server.close();
    }
  }

  @AfterEach
  void thaw() throws Exception {
    server.thaw();
  }

  @Override
  protected FeatureStore open(FeatureTable table) {
    try {
      server.say("FLUSHALL");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    assertThat(tables.load(BUNDLE, table)).isTrue();
    return tables.store(BUNDLE, table, WITHIN, CACHE);
  }

  private static float read(FeatureRows rows, String item) {
    float[] out = new float[2];
    rows.vector("text", item, out, 0);
    return out[0];
  }

  @Test
  void load_sameVersion_isKeptAndAnotherTableRefused() throws IOException {
    open(table()).close();
    assertThat(tables.load(BUNDLE, table())).isFalse();
    RowIndex rows = List.of("a", "b")::indexOf;
    FeatureTable other =
        new FeatureTable(
            List.of("a", "b"),
            List.of(new VectorFeature("text", rows, new float[] {1, 2, 3, 5}, new float[2])),
            table().categories());
    assertThatThrownBy(() -> tables.load(BUNDLE, other))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("a version does not change");
    // Nothing is left of what was refused.
    assertThat(server.say("DBSIZE")).isEqualTo(":2");
    try (FeatureStore store = tables.store(BUNDLE, table(), WITHIN, CACHE)) {
      assertThat(read(store.rows(List.of("b"), WITHIN), "b")).isEqualTo(3);
    }
  }

  @Test
  void rows_manyItems_areAskedBeforeTheFirstAnswer() throws Exception {
    open(table()).close();
    try (Relay relay = new Relay(server.port());
        RedisFeatureTables through = RedisFeatureTables.open(relay.address());
        FeatureStore store = through.store(BUNDLE, table(), WITHIN, CACHE)) {
      read(store.rows(List.of("warm"), WITHIN), "warm");
      relay.hold();
      List<String> items = IntStream.range(0, 550).mapToObj(i -> "i" + i).toList();
      FeatureRows rows = store.rows(items, WITHIN);
      await()
          .atMost(WITHIN)
          .until(relay::held, held -> held.contains("\r\ni0\r\n") && held.contains("\r\ni549\r\n"));
      relay.release();
      assertThat(read(rows, "i549")).isEqualTo(-1);
      assertThat(rows.isLate()).isFalse();
    }
  }

  @Test
  void rows_serverStandsStill_areTheLastKnownOrDefaultsAndSayIt() throws Exception {
    try (FeatureStore store = open(table())) {
      assertThat(read(store.rows(List.of("a"), WITHIN), "a")).isEqualTo(1);
      server.freeze();
      // What is near is right, and nobody is asked.
      FeatureRows near = store.rows(List.of("a"), SHORT);
      assertThat(read(near, "a")).isEqualTo(1);
      assertThat(near.isLate()).isFalse();
      long before = System.nanoTime();
      FeatureRows rows = store.rows(List.of("a", "b"), SHORT);
      assertThat(read(rows, "a")).isEqualTo(1);
      assertThat(read(rows, "b")).isEqualTo(-1);
      assertThat(rows.isLate()).isTrue();
      assertThat(System.nanoTime() - before).isLessThan(WITHIN.toNanos());
      assertThat(store.fetches())
          .containsEntry(FetchOutcome.FETCHED, 1L)
          .containsEntry(FetchOutcome.CACHED, 1L)
          .containsEntry(FetchOutcome.LATE, 1L);
      server.thaw();
      // The late answer is there for the next who asks.
      await()
          .atMost(WITHIN)
          .untilAsserted(
              () -> {
                FeatureRows again = store.rows(List.of("b"), WITHIN);
                assertThat(read(again, "b")).isEqualTo(3);
                assertThat(again.isLate()).isFalse();
              });
    }
  }

  @Test
  void rows_serverDiesAndReturnsWithoutItsTable_failUntilItIsLoadedAgain() throws Exception {
    try (FeatureStore store = open(table())) {
      read(store.rows(List.of("a"), WITHIN), "a");
      server.kill();
      await()
          .atMost(WITHIN)
          .untilAsserted(
              () -> {
                FeatureRows rows = store.rows(List.of("a", "b"), SHORT);
                assertThat(read(rows, "a")).isEqualTo(1);
                assertThat(read(rows, "b")).isEqualTo(-1);
                assertThat(rows.isLate()).isTrue();
                assertThat(store.fetches().get(FetchOutcome.FAILED)).isPositive();
              });
      server.start();
      // An empty server does not make b an item without features.
      await().atMost(WITHIN).untilAsserted(() -> assertThat(server.say("PING")).isEqualTo("+PONG"));
      await().atMost(WITHIN).ignoreExceptions().until(() -> tables.load(BUNDLE, table()));
      await()
          .atMost(WITHIN)
          .untilAsserted(
              () -> assertThat(read(store.rows(List.of("b"), WITHIN), "b")).isEqualTo(3));
    }
  }

  @Test
  void rows_noTableOrAnother_areDefaultsAndSayIt() throws IOException {
    open(table()).close();
    server.say("FLUSHALL");
    try (FeatureStore store = tables.store(BUNDLE, table(), WITHIN, CACHE)) {
      FeatureRows rows = store.rows(List.of("a"), WITHIN);
      assertThat(read(rows, "a")).isEqualTo(-1);
      assertThat(rows.isLate()).isTrue();
      RowIndex index = List.of("a")::indexOf;
      tables.load(
          BUNDLE,
          new FeatureTable(
              List.of("a"),
              List.of(new VectorFeature("image", index, new float[2], new float[2])),
              List.of()));
      assertThat(store.rows(List.of("a"), WITHIN).isLate()).isTrue();
      assertThat(store.fetches()).containsEntry(FetchOutcome.FAILED, 2L);
    }
  }
}
