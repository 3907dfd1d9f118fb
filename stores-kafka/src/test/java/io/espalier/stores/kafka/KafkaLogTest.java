package io.espalier.stores.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.stores.log.LogException;
import io.espalier.stores.log.LogRecord;
import io.espalier.stores.log.LostLeaseException;
import io.espalier.stores.log.RecordLog;
import io.espalier.stores.log.RecordLogContract;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KafkaLogTest extends RecordLogContract {
  private static final AtomicInteger TOPICS = new AtomicInteger();
  private static final Duration SHORT = Duration.ofSeconds(2);

  @TempDir static Path folder;
  private static Broker broker;

  private final String topic = "log-" + TOPICS.incrementAndGet();

  @BeforeAll
  static void startBroker() throws Exception {
    broker = Broker.start(folder);
  }

  @AfterAll
  static void stopBroker() throws Exception {
    broker.close();
  }

  @Override
  protected RecordLog open(long first) {
    return KafkaLog.open(broker.address(topic), first);
  }

  @Test
  void readAll_whileAnotherWrites_leavesItTheWriter() {
    KafkaAddress topic = broker.address("read");
    try (KafkaLog log = KafkaLog.open(topic, 1)) {
      List<LogRecord> read = new ArrayList<>();
      KafkaLog.readAll(topic, read::add);
      assertThat(read).isEmpty();
      log.append(List.of(bytes("a"), bytes("b")));
      log.append(List.of(bytes("c")));
      KafkaLog.readAll(topic, read::add);
      assertThat(read).containsExactly(record(1, "a"), record(2, "b"), record(3, "c"));
      assertThat(log.append(List.of(bytes("d")))).isEqualTo(4);
    }
  }

  @Test
  void open_again_takesTheLogFromTheFirst() throws Exception {
    KafkaAddress topic = broker.address("taken");
    try (KafkaLog one = KafkaLog.open(topic, 1)) {
      assertThat(one.append(List.of(bytes("a")))).isEqualTo(1);
      assertThat(one.isWriter()).isTrue();
      try (KafkaLog two = KafkaLog.open(topic, 1)) {
        assertThat(two.end()).isEqualTo(1);
        assertThatThrownBy(() -> one.append(List.of(bytes("lost"))))
            .isInstanceOf(LostLeaseException.class)
            .hasMessageContaining(topic + ": another writer has taken it over");
        assertThat(one.isWriter()).isFalse();
        assertThatThrownBy(() -> one.append(List.of(bytes("lost"))))
            .isInstanceOf(LostLeaseException.class);

        assertThat(two.append(List.of(bytes("b"), bytes("c")))).isEqualTo(3);
        // Who lost the log follows it still.
        assertThat(one.await(3, Duration.ofMinutes(1))).isTrue();
        assertThat(one.read(1, 1000))
            .containsExactly(record(1, "a"), record(2, "b"), record(3, "c"));
      }
    }
  }

  @Test
  void isWriter_idleWhileAnotherWrites_isFalse() throws Exception {
    KafkaAddress topic = broker.address("idle");
    try (KafkaLog one = KafkaLog.open(topic, 1);
        KafkaLog two = KafkaLog.open(topic, 1)) {
      two.append(List.of(bytes("a")));
      assertThat(one.await(1, Duration.ofMinutes(1))).isTrue();
      assertThat(one.isWriter()).isFalse();
      assertThat(two.isWriter()).isTrue();
    }
  }

  /** Writers come, write, and are overtaken at any point; some never notice until they write. */
  @Test
  void append_writersOvertakeEachOther_losesNoAcknowledgedRecord() throws Exception {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    int fenced = 0;
    for (int round = 0; round < 3; round++) {
      Random random = new Random(seed + round);
      KafkaAddress topic = broker.address("race-" + round);
      Map<Long, String> acknowledged = new ConcurrentSkipListMap<>();
      List<Future<Boolean>> writers = new ArrayList<>();
      try (ExecutorService threads = Executors.newCachedThreadPool()) {
        for (int writer = 0; writer < 8; writer++) {
          String name = round + "." + writer + ".";
          long writerSeed = random.nextLong();
          writers.add(
              threads.submit(() -> write(topic, name, new Random(writerSeed), acknowledged)));
          Thread.sleep(random.nextInt(250));
        }
      }
      for (Future<Boolean> writer : writers) {
        fenced += writer.get() ? 1 : 0;
      }
      try (KafkaLog log = KafkaLog.open(topic, 1)) {
        Map<Long, String> found = new TreeMap<>();
        for (LogRecord record : log.read(1, Integer.MAX_VALUE)) {
          found.put(record.offset(), text(record));
        }
        assertThat(found).as("seed %d, round %d", seed, round).containsAllEntriesOf(acknowledged);
        assertThat(found.values()).doesNotHaveDuplicates();
        assertThat(found).hasSize((int) log.end());
        assertWholeBatches(found);
      }
    }
    // At most the last writer of a round may end unfenced.
    assertThat(fenced).isGreaterThanOrEqualTo(3);
  }

  private static boolean write(
      KafkaAddress topic, String name, Random random, Map<Long, String> acknowledged) {
    try (KafkaLog log = KafkaLog.open(topic, 1)) {
      for (int batch = 0; batch < 60; batch++) {
        int size = 1 + random.nextInt(4);
        List<byte[]> records = new ArrayList<>();
        for (int i = 0; i < size; i++) {
          records.add(bytes(name + batch + ":" + i + "/" + size));
        }
        long last = log.append(records);
        for (int i = 0; i < size; i++) {
          String before =
              acknowledged.put(
                  last - size + 1 + i, new String(records.get(i), StandardCharsets.UTF_8));
          assertThat(before).isNull();
        }
        if (random.nextInt(5) == 0) {
          Thread.sleep(random.nextInt(50));
        }
      }
      return false;
    } catch (LostLeaseException e) {
      return true;
    } catch (LogException e) {
      // Overtaken while it opened.
      assertThat(e).hasMessageMatching(".* cannot be (written|opened): .*");
      return true;
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  private static void assertWholeBatches(Map<Long, String> found) {
    found.forEach(
        (offset, text) -> {
          String batch = text.substring(0, text.indexOf(':'));
          int number = Integer.parseInt(text.substring(text.indexOf(':') + 1, text.indexOf('/')));
          int size = Integer.parseInt(text.substring(text.indexOf('/') + 1));
          for (int i = 0; i < size; i++) {
            assertThat(found).containsEntry(offset - number + i, batch + ":" + i + "/" + size);
          }
        });
  }

  @Test
  void read_coldAndAnywhere_findsTheRecord() {
    KafkaAddress topic = broker.address("long");
    Random random = new Random(5);
    long end = 0;
    try (KafkaLog log = KafkaLog.open(topic, 1)) {
      // Transactions of many sizes, so that Kafka's offsets run ahead unevenly.
      while (end < 6000) {
        List<byte[]> batch = new ArrayList<>();
        for (int n = random.nextInt(4) == 0 ? 200 : 1 + random.nextInt(3); n > 0; n--) {
          batch.add(bytes("record " + (end + 1 + batch.size())));
        }
        end = log.append(batch);
      }
    }
    for (int round = 0; round < 4; round++) {
      try (KafkaLog log = KafkaLog.open(topic, 1)) {
        assertThat(log.end()).isEqualTo(end);
        for (int i = 0; i < 10; i++) {
          long offset = 1 + random.nextLong(end);
          assertThat(log.read(offset, 0)).containsExactly(record(offset, "record " + offset));
        }
      }
    }
  }

  @Test
  void read_droppedByAnother_saysWhereTheLogStarts() throws Exception {
    KafkaAddress topic = broker.address("dropped");
    try (KafkaLog old = KafkaLog.open(topic, 1)) {
      for (int i = 1; i <= 10; i++) {
        old.append(List.of(bytes("record " + i)));
      }
      try (KafkaLog reopened = KafkaLog.open(topic, 1);
          KafkaLog writer = KafkaLog.open(topic, 1)) {
        writer.dropBefore(7);
        assertThat(writer.start()).isEqualTo(7);
        assertThatThrownBy(() -> reopened.read(2, 100))
            .isInstanceOf(LogException.class)
            .hasMessageContaining("(expected: from 7 on)");
        assertThat(reopened.read(7, 0)).containsExactly(record(7, "record 7"));
      }
    }
  }

  @Test
  void append_recordBeyondTheBrokersLimit_failsAlone() {
    try (KafkaLog log = KafkaLog.open(broker.address("large"), 1)) {
      log.append(List.of(bytes("a")));
      assertThatThrownBy(() -> log.append(List.of(bytes("b"), new byte[2 << 20])))
          .isInstanceOf(LogException.class)
          .hasMessageContaining("RecordTooLarge");
      assertThat(log.end()).isEqualTo(1);
      assertThat(log.append(List.of(bytes("c")))).isEqualTo(2);
      assertThat(log.read(1, 1000)).containsExactly(record(1, "a"), record(2, "c"));
    }
  }

  @Test
  void append_overtakenAfterAFailure_isLost() {
    KafkaAddress topic = broker.address("failed");
    try (KafkaLog one = KafkaLog.open(topic, 1)) {
      assertThatThrownBy(() -> one.append(List.of(new byte[2 << 20])))
          .isInstanceOf(LogException.class);
      try (KafkaLog two = KafkaLog.open(topic, 1)) {
        assertThatThrownBy(() -> one.append(List.of(bytes("lost"))))
            .isInstanceOf(LostLeaseException.class);
        assertThat(two.append(List.of(bytes("a")))).isEqualTo(1);
        assertThat(two.isWriter()).isTrue();
      }
    }
  }

  @Test
  void open_topicThatForgets_isRefused() throws Exception {
    make(new NewTopic("forgets", Optional.of(1), Optional.empty()));
    make(new NewTopic("split", Optional.of(2), Optional.empty()));

    assertThatThrownBy(() -> KafkaLog.open(broker.address("forgets"), 1))
        .isInstanceOf(LogException.class)
        .hasMessageContaining("retention.ms: 604800000 (expected: -1");
    assertThatThrownBy(() -> KafkaLog.open(broker.address("split"), 1))
        .isInstanceOf(LogException.class)
        .hasMessageContaining("split: 2 partitions (expected: 1)");
  }

  private static void make(NewTopic topic) throws Exception {
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", broker.address("x").bootstrap()))) {
      admin.createTopics(List.of(topic)).all().get();
    }
  }

  @Test
  void open_nobodyListens_saysSo() {
    KafkaAddress nowhere = KafkaAddress.parse("kafka://127.0.0.1:1/topic");
    assertThatThrownBy(() -> KafkaLog.open(nowhere, 1, SHORT))
        .isInstanceOf(LogException.class)
        .hasMessageContaining("kafka://127.0.0.1:1/topic: cannot be reached: no answer within");
    KafkaAddress noHost = KafkaAddress.parse("kafka://no-such-host.invalid:9092/topic");
    assertThatThrownBy(() -> KafkaLog.open(noHost, 1, SHORT))
        .isInstanceOf(LogException.class)
        .hasMessageContaining("cannot be reached: ConfigException: No resolvable bootstrap urls");
  }

  @Test
  void open_withCredentials_asTheBrokerFindsThem(@TempDir Path client) throws Exception {
    Path right = credentials(client.resolve("right"), "secret");
    Path wrong = credentials(client.resolve("wrong"), "guess");

    try (KafkaLog log = KafkaLog.open(broker.authenticatedAddress("secured", right), 1)) {
      assertThat(log.append(List.of(bytes("a")))).isEqualTo(1);
    }
    assertThatThrownBy(() -> KafkaLog.open(broker.authenticatedAddress("secured", wrong), 1, SHORT))
        .isInstanceOf(LogException.class)
        .hasMessageContaining("the broker does not accept who we are");
    assertThatThrownBy(
            () ->
                KafkaLog.open(
                    broker.authenticatedAddress("secured", client.resolve("none")), 1, SHORT))
        .isInstanceOf(LogException.class)
        .hasMessageContaining("its properties cannot be read");
  }

  private static Path credentials(Path file, String password) throws Exception {
    return Files.writeString(
        file,
        """
        security.protocol=SASL_PLAINTEXT
        sasl.mechanism=PLAIN
        sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
        username="writer" password="%s";
        """
            .formatted(password));
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static String text(LogRecord record) {
    return StandardCharsets.UTF_8.decode(record.payload()).toString();
  }

  private static LogRecord record(long offset, String text) {
    return new LogRecord(offset, ByteBuffer.wrap(bytes(text)));
  }
}
