package io.espalier.catalog;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** Changes that wait to be written, in order; bounded by their number and by their bytes. */
final class ChangeQueue {
  private final int most;
  private final long mostBytes;
  private final ArrayDeque<Waiting> waiting = new ArrayDeque<>();
  private long bytes;

  /**
   * A change that waits.
   *
   * @param bytes of it as a message
   * @param done what became of it
   */
  record Waiting(CatalogChange change, int bytes, CompletableFuture<CatalogWriter.Accepted> done) {}

  ChangeQueue(int most, long mostBytes) {
    this.most = most;
    this.mostBytes = mostBytes;
  }

  /** Adds a change once there is room for it; false when there was none in time. */
  synchronized boolean offer(Waiting change, Duration patience) throws InterruptedException {
    long until = System.nanoTime() + patience.toNanos();
    for (long left = patience.toNanos(); !fits(change); left = until - System.nanoTime()) {
      if (left <= 0) {
        return false;
      }
      TimeUnit.NANOSECONDS.timedWait(this, left);
    }
    waiting.add(change);
    bytes += change.bytes();
    notifyAll();
    return true;
  }

  // One that is too large for any room would wait for ever.
  private boolean fits(Waiting change) {
    return waiting.isEmpty() || (waiting.size() < most && bytes + change.bytes() <= mostBytes);
  }

  /**
   * Takes the oldest changes out.
   *
   * @param atMost so many
   * @param within bytes, but for the first
   * @return empty when none came in time
   */
  synchronized List<Waiting> take(int atMost, long within, Duration patience)
      throws InterruptedException {
    long until = System.nanoTime() + patience.toNanos();
    for (long left = patience.toNanos();
        waiting.isEmpty() && left > 0;
        left = until - System.nanoTime()) {
      TimeUnit.NANOSECONDS.timedWait(this, left);
    }
    List<Waiting> taken = new ArrayList<>();
    long sum = 0;
    for (Waiting next = waiting.peek();
        next != null && taken.size() < atMost && (taken.isEmpty() || sum + next.bytes() <= within);
        next = waiting.peek()) {
      sum += next.bytes();
      taken.add(waiting.remove());
    }
    bytes -= sum;
    notifyAll();
    return taken;
  }

  /** Takes all out. */
  synchronized List<Waiting> takeAll() {
    List<Waiting> taken = List.copyOf(waiting);
    waiting.clear();
    bytes = 0;
    notifyAll();
    return taken;
  }

  /** Takes a change back; false when it was taken out before. */
  synchronized boolean remove(Waiting change) {
    boolean was = waiting.remove(change);
    if (was) {
      bytes -= change.bytes();
      notifyAll();
    }
    return was;
  }

  synchronized boolean isEmpty() {
    return waiting.isEmpty();
  }
}
