package io.espalier.router.events;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.espalier.events.v1.EventRecord;
import io.espalier.router.events.EventMetrics.Dropped;
import io.espalier.server.BackgroundThread;
import io.espalier.stores.log.LogException;
import io.espalier.stores.log.LostLeaseException;
import io.espalier.stores.log.RecordLog;
import io.espalier.stores.users.UserHash;
import io.espalier.stores.users.UserKey;
import io.espalier.stores.users.UserKeys;
import io.espalier.stores.users.UserStateException;
import io.opentelemetry.api.metrics.Meter;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings records to the event log behind the requests' back: a bounded queue, and one thread that
 * makes, seals and appends what is in it, many at a time.
 *
 * <p>Whoever offers a record never waits and never fails. A log that is away is asked again until
 * it is back; meanwhile the queue fills, and what it does not hold is dropped and counted. A batch
 * whose fate is not known is appended again: a record may stand in the log twice, and who reads it
 * passes over the second.
 */
public final class EventJournal implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(EventJournal.class);
  private static final int BATCH = 256;
  private static final Duration KEYS_WITHIN = Duration.ofSeconds(5);
  private static final Duration PAUSE = Duration.ofMillis(500);
  // A user who is erased at another router has his old key here for no longer: what it still seals
  // nobody can open.
  private static final Duration KEY_LIVES = Duration.ofSeconds(10);
  private static final int KEYS = 10_000;

  private final Supplier<RecordLog> opener;
  private final UserKeys keys;
  private final Duration drain;
  private final BlockingQueue<Entry> queue;
  private final EventMetrics metrics;
  private final Cache<String, UserKey> known =
      Caffeine.newBuilder().maximumSize(KEYS).expireAfterWrite(KEY_LIVES).build();
  private final Thread thread;
  private volatile boolean closing;
  private volatile long closeBy = Long.MAX_VALUE;
  // The thread's own.
  private @Nullable RecordLog open;
  private String problem = "";

  /**
   * What waits for the log.
   *
   * @param user whose it is; empty for nobody with an id
   * @param time of before or after his erasure
   * @param record makes it, once, on the journal's thread
   */
  private record Entry(String user, Instant time, Supplier<EventRecord> record) {}

  private EventJournal(
      Supplier<RecordLog> opener, UserKeys keys, int queue, Duration drain, Meter meter) {
    this.opener = opener;
    this.keys = keys;
    this.drain = drain;
    this.queue = new ArrayBlockingQueue<>(queue);
    this.metrics = new EventMetrics(meter, this.queue::size);
    this.thread = BackgroundThread.start("event-journal", this::run);
  }

  /**
   * Starts a journal.
   *
   * @param opener opens the log, and is asked again for as long as it throws {@link LogException};
   *     the log is closed with the journal
   * @param keys of the users; stay the caller's
   * @param queue the most records that wait
   * @param drain how long closing waits for the log to take what is queued
   */
  public static EventJournal start(
      Supplier<RecordLog> opener, UserKeys keys, int queue, Duration drain, Meter meter) {
    if (queue < 1) {
      throw new IllegalArgumentException("queue: " + queue + " (expected: >= 1)");
    }
    return new EventJournal(opener, keys, queue, drain, meter);
  }

  /**
   * Takes a record, or drops and counts it where too many wait.
   *
   * @param user whose it is; empty for nobody with an id
   * @param time when it began; what began before the user's erasure is dropped
   * @param record makes it from what does not change any more
   */
  public void offer(String user, Instant time, Supplier<EventRecord> record) {
    if (closing) {
      metrics.dropped(Dropped.CLOSED, 1);
    } else if (!queue.offer(new Entry(user, time, record))) {
      metrics.dropped(Dropped.QUEUE_FULL, 1);
    }
  }

  /** Lets go of the key of a user who was erased, by his {@link UserHash}. */
  public void forget(String userHash) {
    known.invalidate(userHash);
  }

  private void run() {
    List<Entry> batch = new ArrayList<>(BATCH);
    try {
      while (!closing || !queue.isEmpty()) {
        Entry first = queue.poll(100, TimeUnit.MILLISECONDS);
        if (first == null) {
          continue;
        }
        batch.add(first);
        queue.drainTo(batch, BATCH - 1);
        write(batch);
        batch.clear();
      }
    } catch (InterruptedException e) {
      // Closed, and no time is left.
    }
    int rest = batch.size() + queue.size();
    queue.clear();
    if (rest > 0) {
      metrics.dropped(Dropped.CLOSED, rest);
      log.warn("{} records of events were given up as the router stopped", rest);
    }
    if (open != null) {
      open.close();
    }
  }

  /** Appends a batch, however long that takes. */
  private void write(List<Entry> batch) throws InterruptedException {
    while (true) {
      try {
        RecordLog to = open;
        if (to == null) {
          to = opener.get();
          open = to;
        }
        List<byte[]> records = sealed(batch);
        if (!records.isEmpty()) {
          to.append(records);
          metrics.logged(records.size());
        }
        if (records.size() < batch.size()) {
          metrics.dropped(Dropped.ERASED, batch.size() - records.size());
        }
        problem("");
        return;
      } catch (LostLeaseException e) {
        problem(String.valueOf(e.getMessage()));
        metrics.dropped(Dropped.LOG_LOST, batch.size());
        return;
      } catch (LogException | UserStateException e) {
        metrics.failed();
        problem(String.valueOf(e.getMessage()));
      } catch (RuntimeException e) {
        // A defect of one record must not stop all that come after it.
        metrics.dropped(Dropped.FAILED, batch.size());
        log.error("{} records of events could not be written", batch.size(), e);
        return;
      }
      if (System.nanoTime() - closeBy > 0 && closing) {
        throw new InterruptedException("no time is left");
      }
      Thread.sleep(PAUSE);
    }
  }

  private void problem(String now) {
    if (!now.equals(problem)) {
      if (now.isEmpty()) {
        log.info("the event log takes records again");
      } else {
        log.warn("the event log takes no records at present: {}", now);
      }
      problem = now;
    }
  }

  private List<byte[]> sealed(List<Entry> batch) {
    Map<String, UserKey> having = new HashMap<>();
    Set<String> missing = new HashSet<>();
    for (Entry entry : batch) {
      if (!entry.user().isEmpty()) {
        UserKey key = known.getIfPresent(UserHash.of(entry.user()));
        if (key == null) {
          missing.add(entry.user());
        } else {
          having.put(entry.user(), key);
        }
      }
    }
    if (!missing.isEmpty()) {
      Map<String, UserKey> found = keys.keys(missing, KEYS_WITHIN);
      found.forEach((user, key) -> known.put(UserHash.of(user), key));
      having.putAll(found);
    }
    List<byte[]> records = new ArrayList<>(batch.size());
    for (Entry entry : batch) {
      UserKey key = entry.user().isEmpty() ? null : having.get(entry.user());
      if (key == null || entry.time().isAfter(key.erased())) {
        records.add(EventCodec.write(entry.record().get(), key));
      }
    }
    return records;
  }

  /** Appends what is queued, for a while, and closes the log. */
  @Override
  public void close() {
    closeBy = System.nanoTime() + drain.toNanos();
    closing = true;
    try {
      if (!thread.join(drain)) {
        thread.interrupt();
        thread.join();
      }
      metrics.close();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
