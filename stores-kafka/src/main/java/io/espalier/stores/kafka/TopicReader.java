package io.espalier.stores.kafka;

import io.espalier.stores.log.LogException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.jspecify.annotations.Nullable;

/** Reads what is committed in a log's topic; for one thread at a time. */
final class TopicReader implements AutoCloseable {
  private static final Duration POLL = Duration.ofMillis(100);
  private static final int FETCH_MILLIS = 20;
  // The header of what says where a log's numbers begin; it is no record of the log.
  static final String BEGINS = "begins";

  // How far before the end of the topic its last record is first looked for.
  private static final long NEAR = 64;

  private final KafkaAddress address;
  private final Duration patience;
  private final TopicPartition partition;
  private final KafkaConsumer<byte[], byte[]> consumer;
  private OptionalLong begun = OptionalLong.empty();

  /**
   * A record, with both its numbers.
   *
   * @param offset the log's
   * @param at Kafka's, which has gaps where transactions end
   */
  record Placed(long offset, long at, ByteBuffer payload) {}

  TopicReader(KafkaAddress address, Duration patience) {
    this.address = address;
    this.patience = patience;
    this.partition = new TopicPartition(address.topic(), 0);
    Map<String, Object> properties = address.clientProperties();
    int millis = Math.toIntExact(patience.toMillis());
    properties.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed");
    properties.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
    properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "none");
    // A topic that a reader has made by asking for it would forget.
    properties.put(ConsumerConfig.ALLOW_AUTO_CREATE_TOPICS_CONFIG, false);
    properties.put(ConsumerConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, millis);
    properties.put(ConsumerConfig.REQUEST_TIMEOUT_MS_CONFIG, millis);
    // A fetch at the end of the log, in progress when this reader is placed elsewhere, is in its
    // way.
    properties.put(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG, FETCH_MILLIS);
    properties.put(ConsumerConfig.METRIC_REPORTER_CLASSES_CONFIG, "");
    properties.put(ConsumerConfig.ENABLE_METRICS_PUSH_CONFIG, false);
    try {
      this.consumer =
          new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    } catch (KafkaException e) {
      throw KafkaFailures.of(address, "cannot be read", patience, e);
    }
    consumer.assign(List.of(partition));
  }

  /** Where the log's numbers begin, where that was read. */
  OptionalLong begun() {
    return begun;
  }

  void seek(long at) {
    consumer.seek(partition, at);
  }

  /** Where it reads on. */
  long position() {
    return consumer.position(partition);
  }

  /** The first place that the topic still has. */
  long begin() {
    return consumer.beginningOffsets(List.of(partition)).getOrDefault(partition, 0L);
  }

  /** The place after everything that is committed. */
  long end() {
    return consumer.endOffsets(List.of(partition)).getOrDefault(partition, 0L);
  }

  /** The next records, none when none come in a while. */
  List<Placed> poll(Duration wait) {
    List<Placed> records = new ArrayList<>();
    for (ConsumerRecord<byte[], byte[]> record : consumer.poll(wait)) {
      if (record.key() == null || record.key().length != Long.BYTES || record.value() == null) {
        throw new LogException(
            "%s: the record at %d is not of this log (expected: a key of 8 bytes, its number, and a"
                    .formatted(address, record.offset())
                + " value)");
      }
      if (record.headers().lastHeader(BEGINS) != null) {
        // Of two writers that began it at a time the first counts.
        if (begun.isEmpty()) {
          begun = OptionalLong.of(ByteBuffer.wrap(record.key()).getLong());
        }
        continue;
      }
      records.add(
          new Placed(
              ByteBuffer.wrap(record.key()).getLong(),
              record.offset(),
              ByteBuffer.wrap(record.value())));
    }
    return records;
  }

  /** Waits until all is decided up to a place; reads on after it. */
  void pass(long at) {
    seek(at);
    for (Deadline left = new Deadline(); position() <= at; left.check()) {
      var unused = poll(POLL);
    }
  }

  /** The first record from a place on; null when there is none yet. */
  @Nullable Placed firstFrom(long at) {
    long end = end();
    seek(at);
    List<Placed> records = List.of();
    for (Deadline left = new Deadline(); records.isEmpty() && position() < end; left.check()) {
      records = poll(POLL);
    }
    return records.isEmpty() ? null : records.getFirst();
  }

  /** The last record of the topic; null when there is none. Reads on after it. */
  @Nullable Placed last() {
    long begin = begin();
    long end = end();
    Placed last = null;
    // The places before the end may all be those of transactions' ends, or of what was given up.
    for (long width = NEAR; last == null; width *= 4) {
      long from = Math.max(begin, end - width);
      seek(from);
      for (Deadline left = new Deadline(); position() < end; left.check()) {
        List<Placed> records = poll(POLL);
        last = records.isEmpty() ? last : records.getLast();
      }
      if (from == begin) {
        break;
      }
    }
    return last;
  }

  /** Makes the poll in progress, or the next, end with an exception. */
  void wakeup() {
    consumer.wakeup();
  }

  @Override
  public void close() {
    consumer.close(CloseOptions.timeout(Duration.ZERO));
  }

  private final class Deadline {
    private final long until = System.nanoTime() + patience.toNanos();

    void check() {
      if (System.nanoTime() > until) {
        throw new TimeoutException("nothing came of " + partition);
      }
    }
  }
}
