package io.espalier.stores.kafka;

import io.espalier.stores.log.LogException;
import io.espalier.stores.log.LogRecord;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.WakeupException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Follows a log's topic, whoever writes it: what is in the log is what came by here. Keeps the
 * newest records at hand.
 */
final class Tail implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Tail.class);
  private static final Duration POLL = Duration.ofMillis(500);
  private static final int KEPT_BYTES = 8 << 20;

  private final KafkaAddress address;
  private final Duration patience;
  private final TopicReader reader;
  private final Places places;
  private final Thread thread;
  private final ConcurrentSkipListMap<Long, ByteBuffer> newest = new ConcurrentSkipListMap<>();
  private int newestBytes;
  private volatile boolean closed;
  // Guarded by this, as are the four below.
  private long end;
  private TopicReader.@Nullable Placed last;
  private long position;
  private long heard = System.nanoTime();
  private @Nullable String failure;

  /**
   * Follows on from a record.
   *
   * @param reader placed after the last record; becomes this tail's
   * @param end the offset of the last record
   */
  Tail(
      KafkaAddress address,
      Duration patience,
      TopicReader reader,
      Places places,
      long end,
      TopicReader.@Nullable Placed last) {
    this.address = address;
    this.patience = patience;
    this.reader = reader;
    this.places = places;
    this.end = end;
    this.last = last;
    this.thread = Thread.ofPlatform().daemon().name("kafka-tail").start(this::run);
  }

  private void run() {
    boolean lost = false;
    while (!closed) {
      try {
        List<TopicReader.Placed> records = reader.poll(POLL);
        if (records.isEmpty()) {
          // Nothing came: is anybody there?
          var unused = reader.end();
        }
        take(records, records.isEmpty() ? reader.position() : records.getLast().at() + 1);
        lost = false;
      } catch (WakeupException e) {
        // Closed.
      } catch (OffsetOutOfRangeException e) {
        restart(e);
      } catch (LogException e) {
        fail(e.getMessage());
      } catch (KafkaException e) {
        if (!lost) {
          log.warn("{}: cannot be followed at present", address, e);
          lost = true;
        }
        pause();
      } catch (RuntimeException e) {
        log.error("{}: is followed no more", address, e);
        fail(address + ": " + e);
      }
    }
  }

  private void pause() {
    try {
      Thread.sleep(POLL);
    } catch (InterruptedException e) {
      closed = true;
    }
  }

  private synchronized void take(List<TopicReader.Placed> records, long next) {
    heard = System.nanoTime();
    for (TopicReader.Placed record : records) {
      if (record.offset() != end + 1) {
        throw new LogException(
            "%s: record %d at %d (expected: record %d)"
                .formatted(address, record.offset(), record.at(), end + 1));
      }
      end = record.offset();
      last = record;
      places.pass(record);
      keep(record);
    }
    position = next;
    notifyAll();
  }

  private void keep(TopicReader.Placed record) {
    newest.put(record.offset(), record.payload());
    newestBytes += record.payload().remaining();
    while (newestBytes > KEPT_BYTES) {
      newestBytes -= newest.pollFirstEntry().getValue().remaining();
    }
  }

  /** Goes on with what is left when another dropped all that this tail had yet to read. */
  private void restart(OffsetOutOfRangeException reason) {
    try {
      long begin = reader.begin();
      TopicReader.Placed first = reader.firstFrom(begin);
      synchronized (this) {
        if (first == null || first.offset() <= end) {
          throw new LogException(
              address + ": records up to " + end + " are gone: " + reason.getMessage());
        }
        newest.clear();
        newestBytes = 0;
        places.dropBefore(Long.MAX_VALUE);
        places.add(first);
        end = first.offset() - 1;
      }
      reader.seek(first.at());
    } catch (LogException e) {
      fail(e.getMessage());
    } catch (KafkaException e) {
      log.warn("{}: cannot be followed at present", address, e);
      pause();
    }
  }

  private synchronized void fail(@Nullable String message) {
    log.error("{}", message);
    failure = String.valueOf(message);
    closed = true;
    notifyAll();
  }

  /**
   * The offset of the last record.
   *
   * @throws LogException when it is not known at present
   */
  synchronized long end() {
    if (failure != null) {
      throw new LogException(failure);
    }
    if (System.nanoTime() - heard > patience.toNanos()) {
      throw new LogException(
          address + ": nothing heard of it for " + patience.toMillis() + " ms or more");
    }
    return end;
  }

  /** Whether it is followed no more. */
  synchronized boolean hasFailed() {
    return failure != null;
  }

  /** The last record; null when there never was one. */
  synchronized TopicReader.@Nullable Placed last() {
    return last;
  }

  boolean await(long offset, Duration wait) throws InterruptedException {
    return await(() -> end >= offset, wait);
  }

  /** Waits until all that is in the topic up to a place of Kafka's came by. */
  boolean awaitPlace(long at, Duration wait) throws InterruptedException {
    return await(() -> position > at, wait);
  }

  private synchronized boolean await(BooleanSupplier come, Duration wait)
      throws InterruptedException {
    long until = System.nanoTime() + wait.toNanos();
    for (long left = wait.toNanos();
        !come.getAsBoolean() && failure == null && left > 0;
        left = until - System.nanoTime()) {
      TimeUnit.NANOSECONDS.timedWait(this, left);
    }
    return come.getAsBoolean();
  }

  /** Records up to one, of those that are at hand; empty when the first is not. */
  List<LogRecord> recent(long from, long to, int maxBytes) {
    List<LogRecord> records = new ArrayList<>();
    int bytes = 0;
    for (var entry : newest.subMap(from, true, to, true).entrySet()) {
      bytes += entry.getValue().remaining();
      // Older ones are let go of meanwhile, from the first on.
      if (entry.getKey() != from + records.size() || (bytes > maxBytes && !records.isEmpty())) {
        break;
      }
      records.add(new LogRecord(entry.getKey(), entry.getValue()));
    }
    return records;
  }

  @Override
  public void close() {
    closed = true;
    reader.wakeup();
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    reader.close();
  }
}
