package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.espalier.cli.events.LoggedEvents;
import io.espalier.events.v1.EventRecord;
import io.espalier.events.v1.Impression;
import io.espalier.router.events.EventCodec;
import io.espalier.router.events.EventJournal;
import io.espalier.stores.kafka.Broker;
import io.espalier.stores.users.EmbeddedUserKeys;
import io.espalier.testing.CountingTelemetry;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The journal of a router over a real broker, which is away at first, stands still and is killed.
 */
class EventLogOnKafkaIT {
  private static final Duration PATIENCE = Duration.ofMinutes(3);
  private static final Instant TIME = Instant.ofEpochSecond(1_000_000);

  @TempDir Path folder;
  private final EmbeddedUserKeys keys = EmbeddedUserKeys.inMemory();
  private final CountingTelemetry telemetry = new CountingTelemetry();
  private final List<AutoCloseable> open = new ArrayList<>();

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable one : open.reversed()) {
      one.close();
    }
  }

  private EventJournal journal(String where) {
    EventJournal journal =
        EventJournal.start(
            RecordLogs.later("events.log", where, 1),
            keys,
            10_000,
            Duration.ofSeconds(60),
            telemetry.telemetry().getMeter("test"));
    open.add(journal);
    return journal;
  }

  private static void offer(EventJournal journal, int from, int to) {
    for (int i = from; i < to; i++) {
      String id = "answer-" + i;
      String user = "user-" + i % 7;
      journal.offer(
          user,
          TIME,
          () ->
              EventRecord.newBuilder()
                  .setImpression(
                      Impression.newBuilder()
                          .setRequestId(id)
                          .setUserId(user)
                          .setTime(EventCodec.timestamp(TIME)))
                  .build());
    }
  }

  /** In order, each once: what is unsure is written again. */
  private Set<String> logged(String where) {
    Set<String> ids = new LinkedHashSet<>();
    new LoggedEvents(List.of(where), keys)
        .forEach(record -> ids.add(record.getImpression().getRequestId()));
    return ids;
  }

  private static List<String> answers(int count) {
    return IntStream.range(0, count).mapToObj(i -> "answer-" + i).toList();
  }

  private void awaitLogged(String where, int count) {
    await()
        .atMost(PATIENCE)
        .ignoreExceptions()
        .untilAsserted(() -> assertThat(List.copyOf(logged(where))).isEqualTo(answers(count)));
  }

  @Test
  void journal_brokerAwayStillAndKilled_losesAndDisordersNothing() throws Exception {
    Broker broker = Broker.start(folder);
    open.add(broker);
    String where = broker.address("events").toString();
    broker.kill();
    EventJournal journal = journal(where);
    offer(journal, 0, 100);
    broker.start();
    awaitLogged(where, 100);

    broker.freeze();
    offer(journal, 100, 200);
    Thread.sleep(1_000);
    broker.thaw();
    awaitLogged(where, 200);

    offer(journal, 200, 300);
    broker.kill();
    offer(journal, 300, 400);
    broker.start();
    awaitLogged(where, 400);

    assertThat(telemetry.counts("espalier.router.events.dropped"))
        .allSatisfy((reason, count) -> assertThat(count).as(reason).isZero());
    keys.destroy("user-3", TIME, PATIENCE);
    LoggedEvents events = new LoggedEvents(List.of(where), keys);
    events.forEach(record -> assertThat(record.getImpression().getUserId()).isNotEqualTo("user-3"));
    assertThat(events.erased()).isGreaterThanOrEqualTo(57);
  }
}
