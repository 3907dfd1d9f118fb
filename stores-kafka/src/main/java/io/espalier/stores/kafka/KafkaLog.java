package io.espalier.stores.kafka;

import io.espalier.stores.log.LogException;
import io.espalier.stores.log.LogRecord;
import io.espalier.stores.log.RecordLog;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.Semaphore;
import java.util.function.Consumer;
import java.util.function.Function;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.common.KafkaException;
import org.jspecify.annotations.Nullable;

/**
 * A log in the one partition of a topic. Any number of processes read it; the last that opened it
 * is its writer, whatever those before it try.
 *
 * <p>A batch is one transaction. The numbers of records are the log's own and stand in their keys,
 * since Kafka's offsets have gaps where transactions end.
 */
public final class KafkaLog implements RecordLog {
  private static final Duration PATIENCE = Duration.ofSeconds(10);
  private static final int READERS = 8;

  private final KafkaAddress address;
  private final Duration patience;
  private final LogTopic topic;
  private final Lease lease;
  private final Tail tail;
  private final Places places = new Places();
  private final Semaphore reading = new Semaphore(READERS);
  private final ConcurrentLinkedDeque<TopicReader> idle = new ConcurrentLinkedDeque<>();
  private volatile long start;

  private KafkaLog(
      KafkaAddress address,
      Duration patience,
      LogTopic topic,
      Lease lease,
      TopicReader reader,
      long first) {
    this.address = address;
    this.patience = patience;
    this.topic = topic;
    this.lease = lease;
    TopicReader.Placed earliest = reader.firstFrom(reader.begin());
    TopicReader.Placed last = reader.last();
    if (earliest == null && reader.begin() > 0) {
      throw new LogException(address + ": all its records were deleted, and with them its numbers");
    }
    if (earliest == null) {
      this.start = reader.begun().orElse(first);
      if (reader.begun().isEmpty()) {
        lease.begin(first);
      }
    } else {
      this.start = earliest.offset();
      places.add(earliest);
    }
    long end = last == null ? start - 1 : last.offset();
    this.tail = new Tail(address, patience, reader, places, end, last);
    lease.wrote(end);
  }

  /**
   * Opens the log at an address, or begins one, and becomes its writer.
   *
   * @param first the offset of a new log's first record
   * @throws LogException when it is not to be had
   */
  public static KafkaLog open(KafkaAddress address, long first) {
    return open(address, first, PATIENCE);
  }

  /**
   * Reads every record that is committed now, in order, and leaves the writer in peace.
   *
   * @throws LogException when it cannot be read
   */
  public static void readAll(KafkaAddress address, Consumer<LogRecord> each) {
    try (TopicReader reader = new TopicReader(address, PATIENCE)) {
      long end = reader.end();
      reader.seek(reader.begin());
      long until = System.nanoTime() + PATIENCE.toNanos();
      while (reader.position() < end) {
        List<TopicReader.Placed> records = reader.poll(PATIENCE);
        for (TopicReader.Placed record : records) {
          if (record.at() < end) {
            each.accept(new LogRecord(record.offset(), record.payload()));
          }
        }
        if (!records.isEmpty()) {
          until = System.nanoTime() + PATIENCE.toNanos();
        } else if (System.nanoTime() > until) {
          throw new LogException(
              "%s: nothing came within %d ms".formatted(address, PATIENCE.toMillis()));
        }
      }
    } catch (KafkaException e) {
      throw KafkaFailures.of(address, "cannot be read", PATIENCE, e);
    }
  }

  static KafkaLog open(KafkaAddress address, long first, Duration patience) {
    List<AutoCloseable> opened = new ArrayList<>();
    try {
      LogTopic topic = LogTopic.open(address, patience);
      opened.add(topic);
      // From here on nobody else adds anything: the end that is read then stays.
      Lease lease = Lease.take(address, patience);
      opened.add(lease);
      TopicReader reader = new TopicReader(address, patience);
      opened.add(reader);
      // What the holder before left open would be no record now and one later.
      reader.pass(lease.sweep());
      return new KafkaLog(address, patience, topic, lease, reader, first);
    } catch (RuntimeException e) {
      opened.reversed().forEach(part -> close(part, e));
      throw e instanceof KafkaException
          ? KafkaFailures.of(address, "cannot be opened", patience, e)
          : e;
    }
  }

  private static void close(AutoCloseable part, RuntimeException reason) {
    try {
      part.close();
    } catch (Exception e) {
      reason.addSuppressed(e);
    }
  }

  @Override
  public long append(List<byte[]> records) {
    return lease.append(records, tail);
  }

  @Override
  public boolean isWriter() {
    return lease.isHeld(tail) && !tail.hasFailed();
  }

  @Override
  public long start() {
    return start;
  }

  @Override
  public long end() {
    return tail.end();
  }

  @Override
  public List<LogRecord> read(long from, int maxBytes) {
    refuseBeforeStart(from);
    long end = tail.end();
    if (from > end) {
      return List.of();
    }
    List<LogRecord> recent = tail.recent(from, end, maxBytes);
    return recent.isEmpty() ? with(reader -> read(reader, from, end, maxBytes)) : recent;
  }

  private void refuseBeforeStart(long from) {
    if (from < start) {
      throw new LogException(
          "%s: offset %d (expected: from %d on)".formatted(address, from, start));
    }
  }

  private List<LogRecord> read(TopicReader reader, long from, long end, int maxBytes) {
    reader.seek(place(from, reader));
    List<LogRecord> records = new ArrayList<>();
    int bytes = 0;
    long next = from;
    long until = System.nanoTime() + patience.toNanos();
    while (next <= end) {
      for (TopicReader.Placed record : reader.poll(patience)) {
        if (record.offset() < from || record.offset() > end) {
          continue;
        }
        bytes += record.payload().remaining();
        if (bytes > maxBytes && !records.isEmpty()) {
          return records;
        }
        if (record.offset() != next) {
          throw new LogException(
              "%s: record %d at %d (expected: record %d)"
                  .formatted(address, record.offset(), record.at(), next));
        }
        places.pass(record);
        records.add(new LogRecord(record.offset(), record.payload()));
        next++;
      }
      if (System.nanoTime() > until && next <= end) {
        throw new LogException(
            "%s: record %d did not come within %d ms"
                .formatted(address, next, patience.toMillis()));
      }
    }
    return records;
  }

  private long place(long offset, TopicReader reader) {
    TopicReader.Placed last = tail.last();
    if (last == null) {
      throw new LogException(address + ": offset " + offset + ": no such record");
    }
    return places.before(offset, last, reader);
  }

  private <T> T with(Function<TopicReader, T> use) {
    reading.acquireUninterruptibly();
    TopicReader reader = idle.poll();
    try {
      if (reader == null) {
        reader = new TopicReader(address, patience);
      }
      T result = use.apply(reader);
      idle.push(reader);
      reader = null;
      return result;
    } catch (OffsetOutOfRangeException e) {
      throw dropped(e);
    } catch (KafkaException e) {
      throw KafkaFailures.of(address, "cannot be read", patience, e);
    } finally {
      close(reader);
      reading.release();
    }
  }

  /** Another process dropped what was to be read. */
  private LogException dropped(OffsetOutOfRangeException reason) {
    try (TopicReader reader = new TopicReader(address, patience)) {
      TopicReader.Placed earliest = reader.firstFrom(reader.begin());
      if (earliest != null) {
        startAt(earliest);
      }
    } catch (KafkaException e) {
      reason.addSuppressed(e);
    }
    return new LogException(
        address + ": dropped meanwhile (expected: from " + start + " on)", reason);
  }

  private void startAt(TopicReader.Placed record) {
    places.add(record);
    start = record.offset();
    places.dropBefore(record.offset());
  }

  private static void close(@Nullable TopicReader reader) {
    if (reader != null) {
      reader.close();
    }
  }

  @Override
  public boolean await(long offset, Duration wait) throws InterruptedException {
    return tail.await(offset, wait);
  }

  @Override
  public synchronized void dropBefore(long offset) {
    // The last record stays, since the numbers of those to come follow from it.
    long to = Math.min(offset, tail.end());
    if (to <= start) {
      return;
    }
    TopicReader.Placed kept = with(reader -> find(to, reader));
    topic.deleteBefore(kept.at());
    startAt(kept);
  }

  private TopicReader.Placed find(long offset, TopicReader reader) {
    TopicReader.Placed found = reader.firstFrom(place(offset, reader));
    while (found != null && found.offset() < offset) {
      found = reader.firstFrom(found.at() + 1);
    }
    if (found == null || found.offset() != offset) {
      throw new LogException(address + ": record " + offset + " is not there");
    }
    return found;
  }

  /** Lets go of the topic; this log is its writer until another is. */
  @Override
  public void close() {
    lease.close();
    tail.close();
    for (TopicReader reader = idle.poll(); reader != null; reader = idle.poll()) {
      reader.close();
    }
    topic.close();
  }

  @Override
  public String toString() {
    return address.toString();
  }
}
