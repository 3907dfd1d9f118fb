package io.espalier.stores.kafka;

import io.espalier.stores.log.LogException;
import io.espalier.stores.log.LostLeaseException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The right to append to a log, until another takes it.
 *
 * <p>It is a producer whose transactional id is the topic's. Taking it ends every transaction of
 * the holder before and fences that holder; it never takes it back by itself.
 */
final class Lease implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Lease.class);
  // The most that a broker allows unless told otherwise. An open transaction hinders nobody but its
  // own writer; one that the broker gave up would look like a lost lease.
  private static final int TRANSACTION_MILLIS = 900_000;
  private static final int RECORD_BYTES = 17 << 20;

  private final KafkaAddress address;
  private final Duration patience;
  private final KafkaProducer<byte[], byte[]> producer;
  private final Object writing = new Object();
  // What is not known yet of the last batch; guarded by writing.
  private Doubt doubt = Doubt.NONE;
  // The last record before the last batch; guarded by writing.
  private long before;
  // The last number that was given to a record, unless it is known not to have been written.
  private volatile long assigned = Long.MAX_VALUE;
  private volatile boolean lost;

  private enum Doubt {
    NONE,
    COMMIT_ASKED,
    ABORT_ASKED,
    // The broker says so; readers have not seen it.
    ENDED
  }

  private Lease(KafkaAddress address, Duration patience, KafkaProducer<byte[], byte[]> producer) {
    this.address = address;
    this.patience = patience;
    this.producer = producer;
  }

  /** Takes it from whoever has it. */
  static Lease take(KafkaAddress address, Duration patience) {
    Map<String, Object> properties = address.clientProperties();
    int millis = Math.toIntExact(patience.toMillis());
    properties.put(ProducerConfig.TRANSACTIONAL_ID_CONFIG, "espalier." + address.topic());
    properties.putIfAbsent(ProducerConfig.TRANSACTION_TIMEOUT_CONFIG, TRANSACTION_MILLIS);
    properties.put(ProducerConfig.ACKS_CONFIG, "all");
    properties.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true);
    properties.put(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, RECORD_BYTES);
    // A record gives up before its transaction does, and that is told apart.
    properties.put(ProducerConfig.MAX_BLOCK_MS_CONFIG, millis);
    properties.put(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, millis * 3 / 4);
    properties.put(ProducerConfig.REQUEST_TIMEOUT_MS_CONFIG, millis / 2);
    properties.put(ProducerConfig.LINGER_MS_CONFIG, 0);
    properties.put(ProducerConfig.METRIC_REPORTER_CLASSES_CONFIG, "");
    properties.put(ProducerConfig.ENABLE_METRICS_PUSH_CONFIG, false);
    KafkaProducer<byte[], byte[]> producer;
    try {
      producer =
          new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
    } catch (KafkaException e) {
      throw KafkaFailures.of(address, "cannot be reached", patience, e);
    }
    try {
      producer.initTransactions();
      return new Lease(address, patience, producer);
    } catch (KafkaException e) {
      producer.close(Duration.ZERO);
      throw KafkaFailures.of(address, "cannot be written", patience, e);
    }
  }

  /**
   * Makes the broker end what this lease, or one before it, has in the topic without an end.
   *
   * <p>A broker that comes back can hold a transaction for ended of which it never told the topic
   * (KAFKA-20734). Readers then wait before its records for ever, and the end of the lease's next
   * transaction decides theirs too: a batch that was given up would come with the next one. So a
   * record is written and given up. What comes before it was in the log already, or never is.
   *
   * @return the record's place in the topic; when readers are past it, it has worked
   */
  long sweep() {
    synchronized (writing) {
      producer.beginTransaction();
      doubt = Doubt.ABORT_ASKED;
      Future<RecordMetadata> sent =
          producer.send(new ProducerRecord<>(address.topic(), 0, key(0), new byte[0]));
      producer.flush();
      undo();
      if (sent.state() == Future.State.FAILED) {
        throw new KafkaException(sent.exceptionNow());
      }
      return sent.resultNow().offset();
    }
  }

  /**
   * Says in an empty topic where the numbers of its records begin, so that it is the same log
   * whoever opens it next. It says nothing once another has the lease: then that one does.
   */
  void begin(long first) {
    synchronized (writing) {
      try {
        producer.beginTransaction();
        Header begins = new RecordHeader(TopicReader.BEGINS, new byte[0]);
        var unused =
            producer.send(
                new ProducerRecord<>(address.topic(), 0, key(first), new byte[0], List.of(begins)));
        producer.commitTransaction();
      } catch (KafkaException e) {
        if (!isFenced(e)) {
          throw e;
        }
        lost = true;
      }
    }
  }

  private static byte[] key(long number) {
    return ByteBuffer.allocate(Long.BYTES).putLong(number).array();
  }

  /** Tells what the last record is, however it came there, and that nothing else hangs. */
  void wrote(long last) {
    synchronized (writing) {
      assigned = last;
      doubt = Doubt.NONE;
    }
  }

  /** Whether nobody else is known to have taken it. */
  boolean isHeld(Tail tail) {
    TopicReader.Placed last = tail.last();
    if (last != null && last.offset() > assigned) {
      lost = true;
    }
    return !lost;
  }

  /**
   * Adds records after what the tail has seen, all or none.
   *
   * @return the offset of the last of them
   * @throws LostLeaseException when another has the lease
   * @throws LogException when they were not written, or nobody knows; then the next append finds
   *     out first
   */
  long append(List<byte[]> records, Tail tail) {
    synchronized (writing) {
      if (!isHeld(tail)) {
        throw new LostLeaseException(address + ": another writer has taken it over");
      }
      settle(tail);
      before = tail.end();
      if (records.isEmpty()) {
        return before;
      }
      long last = before + records.size();
      assigned = last;
      send(records);
      commit();
      await(() -> tail.await(last, patience), "record " + last + " was written and");
      doubt = Doubt.NONE;
      return last;
    }
  }

  private void send(List<byte[]> records) {
    try {
      producer.beginTransaction();
      long number = before;
      for (byte[] record : records) {
        byte[] key = key(++number);
        // What becomes of each is told by the commit.
        var unused = producer.send(new ProducerRecord<>(address.topic(), 0, key, record));
      }
    } catch (KafkaException | IllegalStateException e) {
      throw abort(e);
    }
  }

  private void commit() {
    doubt = Doubt.COMMIT_ASKED;
    try {
      producer.commitTransaction();
      doubt = Doubt.ENDED;
    } catch (TimeoutException | InterruptException e) {
      throw problem(e);
    } catch (KafkaException | IllegalStateException e) {
      throw abort(e);
    }
  }

  /** Undoes the transaction; returns what to tell. */
  private LogException abort(RuntimeException reason) {
    if (isFenced(reason)) {
      throw lose(reason);
    }
    try {
      undo();
    } catch (TimeoutException | InterruptException e) {
      reason.addSuppressed(e);
    } catch (KafkaException | IllegalStateException e) {
      e.addSuppressed(reason);
      throw isFenced(e) ? lose(e) : problem(e);
    }
    return problem(reason);
  }

  private void undo() {
    doubt = Doubt.ABORT_ASKED;
    producer.abortTransaction();
    doubt = Doubt.ENDED;
  }

  private static boolean isFenced(Throwable failure) {
    for (Throwable at = failure; at != null; at = at.getCause()) {
      if (at instanceof ProducerFencedException || at instanceof InvalidProducerEpochException) {
        return true;
      }
    }
    return false;
  }

  private LostLeaseException lose(RuntimeException reason) {
    lost = true;
    log.error("{}: another writer has taken it over: {}", address, reason.toString());
    return new LostLeaseException(address + ": another writer has taken it over", reason);
  }

  /**
   * Finds out what became of the batch before, or undoes it. If it is in the log, who appends now
   * does not know so, and is told to look again.
   */
  private void settle(Tail tail) {
    if (doubt == Doubt.NONE) {
      return;
    }
    if (doubt == Doubt.COMMIT_ASKED) {
      commit();
    }
    try {
      if (doubt == Doubt.ABORT_ASKED) {
        undo();
      }
      long at = sweep();
      await(() -> tail.awaitPlace(at, patience), "what is in the topic up to " + at);
    } catch (KafkaException | IllegalStateException e) {
      throw isFenced(e) ? lose(e) : problem(e);
    }
    doubt = Doubt.NONE;
    if (tail.end() >= assigned) {
      throw new LogException(
          "%s: a batch of which nothing was known was written after all, up to %d (expected: a look"
                  .formatted(address, assigned)
              + " at the end before the next append)");
    }
    assigned = before;
  }

  private void await(Waiting waiting, String what) {
    try {
      if (!waiting.done()) {
        throw new LogException(
            "%s: %s did not come back within %d ms".formatted(address, what, patience.toMillis()));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LogException(address + ": interrupted", e);
    }
  }

  private interface Waiting {
    boolean done() throws InterruptedException;
  }

  private LogException problem(RuntimeException failure) {
    return KafkaFailures.of(address, "cannot be written", patience, failure);
  }

  @Override
  public void close() {
    synchronized (writing) {
      producer.close(doubt == Doubt.NONE && !lost ? patience : Duration.ZERO);
    }
  }
}
