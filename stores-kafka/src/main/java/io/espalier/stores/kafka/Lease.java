package io.espalier.stores.kafka;

import io.espalier.stores.log.LogException;
import io.espalier.stores.log.LostLeaseException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
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
    COMMITTED_UNSEEN,
    ABORT_ASKED
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

  /** Tells what the last record is, however it came there. */
  void wrote(long last) {
    assigned = last;
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
      doubt = Doubt.COMMIT_ASKED;
      commit();
      see(tail);
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
    try {
      producer.commitTransaction();
      doubt = Doubt.COMMITTED_UNSEEN;
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
    doubt = Doubt.ABORT_ASKED;
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
    producer.abortTransaction();
    doubt = Doubt.NONE;
    assigned = before;
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

  /** Waits until readers see what was committed. */
  private void see(Tail tail) {
    try {
      if (!tail.await(assigned, patience)) {
        throw new LogException(
            "%s: record %d was written and did not come back within %d ms"
                .formatted(address, assigned, patience.toMillis()));
      }
      doubt = Doubt.NONE;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LogException(address + ": interrupted", e);
    }
  }

  /**
   * Finds out what became of the batch before. If it is in the log, who appends now does not know
   * so, and is told to look again.
   */
  private void settle(Tail tail) {
    if (doubt == Doubt.NONE) {
      return;
    }
    if (doubt == Doubt.ABORT_ASKED) {
      try {
        undo();
        return;
      } catch (KafkaException | IllegalStateException e) {
        throw isFenced(e) ? lose(e) : problem(e);
      }
    }
    if (doubt == Doubt.COMMIT_ASKED) {
      commit();
    }
    see(tail);
    throw new LogException(
        "%s: a batch of which nothing was known was written after all, up to %d (expected: a look"
                .formatted(address, assigned)
            + " at the end before the next append)");
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
