package io.espalier.stores.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.stores.log.LogException;
import io.espalier.stores.log.LogRecord;
import io.espalier.stores.log.LostLeaseException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.SimpleRecord;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KafkaOutageTest {
  private static final Duration PATIENCE = Duration.ofSeconds(2);
  // So many failures in a row are no outage any more.
  private static final int HOPELESS = 5000;
  private static final int OUTAGES = Integer.getInteger("espalier.kafka.outages", 4);

  @TempDir static Path folder;
  private static Broker broker;

  @BeforeAll
  static void startBroker() throws Exception {
    broker = Broker.start(folder);
  }

  @AfterAll
  static void stopBroker() throws Exception {
    broker.close();
  }

  @Test
  void append_brokerGoesAndComesBack_losesNothingAndGoesOn() throws Exception {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    KafkaAddress address = broker.address("outages");
    try (KafkaLog log = KafkaLog.open(address, 1, PATIENCE);
        ExecutorService threads = Executors.newSingleThreadExecutor()) {
      Writer writer = new Writer(log);
      Future<Boolean> writing = threads.submit(writer);
      for (int outage = 0; outage < OUTAGES; outage++) {
        writer.awaitBatches(20, writing);
        Thread.sleep(random.nextInt(100));
        if (outage % 2 == 0) {
          broker.kill();
          Thread.sleep(random.nextInt(3000));
          broker.start();
        } else {
          broker.freeze();
          Thread.sleep(random.nextInt(3000));
          broker.thaw();
        }
      }
      writer.awaitBatches(20, writing);
      writer.stop = true;
      assertThat(writing.get()).isTrue();
      System.out.println(writer.acknowledged.size() + " records, " + writer.failures + " failures");
      assertThat(log.isWriter()).isTrue();

      Map<Long, String> found = all(log);
      assertThat(found).as("seed %d", seed).containsAllEntriesOf(writer.acknowledged);
      assertThat(found.values()).doesNotHaveDuplicates();
      assertWholeBatches(found.values());
      try (KafkaLog reopened = KafkaLog.open(address, 1, PATIENCE)) {
        assertThat(all(reopened)).isEqualTo(found);
      }
    }
  }

  private static void assertWholeBatches(Collection<String> found) {
    for (String record : found) {
      String batch = record.substring(0, record.indexOf(':'));
      for (int i = 0; i <= Integer.parseInt(batch) % 3; i++) {
        assertThat(found).contains(batch + ":" + i);
      }
    }
  }

  /** Writes as a writer of a catalogue does: after a failure it looks at the end again. */
  private static final class Writer implements Callable<Boolean> {
    private final KafkaLog log;
    private final Map<Long, String> acknowledged = new TreeMap<>();
    private volatile boolean stop;
    private int failures;
    private int batches;

    Writer(KafkaLog log) {
      this.log = log;
    }

    @Override
    public Boolean call() throws InterruptedException {
      long end = log.end();
      boolean stale = false;
      int inARow = 0;
      for (int batch = 0; !stop; batch++) {
        List<byte[]> records = new ArrayList<>();
        for (int i = 0; i <= batch % 3; i++) {
          records.add((batch + ":" + i).getBytes(StandardCharsets.UTF_8));
        }
        try {
          if (stale) {
            end = log.end();
          }
          stale = true;
          long last = log.append(records);
          stale = false;
          // What the writer knew of the log was all that was in it.
          assertThat(last).isEqualTo(end + records.size());
          for (byte[] record : records) {
            acknowledged.put(++end, new String(record, StandardCharsets.UTF_8));
          }
          inARow = 0;
          wrote();
        } catch (LostLeaseException e) {
          throw e;
        } catch (LogException e) {
          failures++;
          if (++inARow == HOPELESS) {
            throw e;
          }
          Thread.sleep(20);
        }
      }
      return true;
    }

    private synchronized void wrote() {
      batches++;
      notifyAll();
    }

    synchronized void awaitBatches(int more, Future<Boolean> writing) throws InterruptedException {
      int wanted = batches + more;
      while (batches < wanted && !writing.isDone()) {
        wait(1000);
      }
    }
  }

  private static Map<Long, String> all(KafkaLog log) {
    Map<Long, String> found = new TreeMap<>();
    for (LogRecord record : log.read(1, Integer.MAX_VALUE)) {
      found.put(record.offset(), StandardCharsets.UTF_8.decode(record.payload()).toString());
    }
    assertThat(found).hasSize((int) log.end());
    return found;
  }

  /** A broker that restarts can leave out the end of a transaction (KAFKA-20734). */
  @Test
  void append_transactionThatTheBrokerLeftOpen_isUndone() throws Exception {
    KafkaAddress address = broker.address("hanging");
    try (KafkaLog log = KafkaLog.open(address, 1, PATIENCE)) {
      assertThat(log.append(List.of(bytes("a")))).isEqualTo(1);
      Hanging hanging = Hanging.after(address);
      broker.kill();
      assertThatThrownBy(() -> log.append(List.of(bytes("b"), bytes("c"))))
          .isInstanceOf(LogException.class);
      hanging.write(folder, 2, bytes("b"));
      broker.start();
      assertThat(appendAtLast(log, bytes("d"))).isEqualTo(2);

      hanging = Hanging.after(address);
      broker.kill();
      hanging.write(folder, 3, bytes("e"));
      broker.start();
    }
    try (KafkaLog log = KafkaLog.open(address, 1, PATIENCE)) {
      assertThat(appendAtLast(log, bytes("f"))).isEqualTo(3);
      assertThat(all(log)).isEqualTo(Map.of(1L, "a", 2L, "d", 3L, "f"));
    }
  }

  /** Appends a record as soon as that is possible again. */
  private static long appendAtLast(KafkaLog log, byte[] record) throws InterruptedException {
    for (int attempt = 1; ; attempt++) {
      try {
        return log.append(List.of(record));
      } catch (LogException e) {
        if (e instanceof LostLeaseException || attempt == HOPELESS) {
          throw e;
        }
        Thread.sleep(20);
      }
    }
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  /** A transaction that its coordinator holds for ended and whose topic does not know so. */
  private record Hanging(String topic, ProducerState producer, ListOffsetsResultInfo end) {
    /** One that comes after what is in a topic, by who wrote there last. */
    static Hanging after(KafkaAddress address) throws Exception {
      TopicPartition partition = new TopicPartition(address.topic(), 0);
      try (Admin admin = Admin.create(address.clientProperties())) {
        var wrote = admin.describeProducers(List.of(partition)).partitionResult(partition).get();
        var end =
            admin.listOffsets(Map.of(partition, OffsetSpec.latest())).partitionResult(partition);
        return new Hanging(address.topic(), wrote.activeProducers().getLast(), end.get());
      }
    }

    /** Writes it into the files of a broker that does not run. */
    void write(Path folder, long number, byte[] record) throws IOException {
      byte[] key = ByteBuffer.allocate(Long.BYTES).putLong(number).array();
      ByteBuffer written =
          MemoryRecords.withTransactionalRecords(
                  end.offset(),
                  Compression.NONE,
                  producer.producerId(),
                  // The end of the transaction before has raised it.
                  (short) (producer.producerEpoch() - 1),
                  0,
                  end.leaderEpoch().orElseThrow(),
                  new SimpleRecord(System.currentTimeMillis(), key, record))
              .buffer();
      Path segment = folder.resolve("data").resolve(topic + "-0").resolve("%020d.log".formatted(0));
      try (FileChannel file = FileChannel.open(segment, StandardOpenOption.APPEND)) {
        while (written.hasRemaining()) {
          file.write(written);
        }
      }
    }
  }

  @Test
  void operations_brokerDoesNotAnswer_failInTimeAndSaySo() throws Exception {
    try (KafkaLog log = KafkaLog.open(broker.address("silent"), 1, PATIENCE)) {
      log.append(List.of(new byte[10]));
      broker.freeze();

      assertThatThrownBy(() -> log.append(List.of(new byte[1])))
          .isInstanceOf(LogException.class)
          .isNotInstanceOf(LostLeaseException.class)
          .hasMessageContaining("silent: cannot be written: ");
      while (true) {
        try {
          log.end();
          Thread.sleep(10);
        } catch (LogException e) {
          assertThat(e).hasMessageContaining("silent: nothing heard of it for 2000 ms or more");
          break;
        }
      }
      assertThatThrownBy(() -> log.read(1, 100)).isInstanceOf(LogException.class);
      assertThatThrownBy(() -> log.dropBefore(1)).isInstanceOf(LogException.class);
      assertThatThrownBy(() -> KafkaLog.open(broker.address("silent"), 1, PATIENCE))
          .isInstanceOf(LogException.class)
          .hasMessageContaining("no answer within 2000 ms");

      broker.thaw();
      assertThat(log.await(1, Duration.ofSeconds(1))).isTrue();
    }
  }
}
