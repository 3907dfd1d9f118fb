package io.espalier.testing;

import io.espalier.stores.log.LogException;
import io.espalier.stores.log.LogRecord;
import io.espalier.stores.log.LostLeaseException;
import io.espalier.stores.log.RecordLog;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** A log that lasts as long as the test. */
public final class MemoryLog implements RecordLog {
  private final List<byte[]> records = new ArrayList<>();
  private long first;
  private boolean failing;
  private boolean taken;
  private boolean doubtful;
  private @Nullable Error error;

  /** A log whose first record has this offset. */
  public MemoryLog(long first) {
    this.first = first;
  }

  /** Makes appends fail, or work again. */
  public synchronized void fail(boolean fails) {
    failing = fails;
  }

  /** Makes the next append fail although its records get in. */
  public synchronized void doubt() {
    doubtful = true;
  }

  /** Makes the next append throw, as where memory is short. */
  public synchronized void failWith(Error thrown) {
    error = thrown;
  }

  /** Lets another writer take it over. */
  public synchronized void take() {
    taken = true;
  }

  @Override
  public synchronized boolean isWriter() {
    return !taken;
  }

  @Override
  public synchronized long append(List<byte[]> payloads) {
    if (taken) {
      throw new LostLeaseException("the fake was taken over");
    }
    if (failing) {
      throw new LogException("the fake's disk is full");
    }
    Error thrown = error;
    if (thrown != null) {
      error = null;
      throw thrown;
    }
    records.addAll(payloads);
    notifyAll();
    if (doubtful) {
      doubtful = false;
      throw new LogException("the fake does not know whether it was written");
    }
    return end();
  }

  @Override
  public synchronized long start() {
    return first;
  }

  @Override
  public synchronized long end() {
    return first + records.size() - 1;
  }

  @Override
  public synchronized List<LogRecord> read(long from, int maxBytes) {
    if (from < first) {
      throw new LogException("offset " + from + " (expected: from " + first + " on)");
    }
    List<LogRecord> found = new ArrayList<>();
    int bytes = 0;
    for (long offset = from; offset <= end(); offset++) {
      byte[] payload = records.get(Math.toIntExact(offset - first));
      bytes += payload.length;
      if (bytes > maxBytes && !found.isEmpty()) {
        break;
      }
      found.add(new LogRecord(offset, ByteBuffer.wrap(payload)));
    }
    return found;
  }

  @Override
  public synchronized boolean await(long offset, Duration patience) throws InterruptedException {
    long until = System.nanoTime() + patience.toNanos();
    for (long left = patience.toNanos(); end() < offset && left > 0; ) {
      TimeUnit.NANOSECONDS.timedWait(this, left);
      left = until - System.nanoTime();
    }
    return end() >= offset;
  }

  @Override
  public synchronized void dropBefore(long offset) {
    while (first < offset && !records.isEmpty()) {
      records.removeFirst();
      first++;
    }
  }

  @Override
  public void close() {}
}
