package io.espalier.inference.embedded;

import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.repository.Batching;
import io.espalier.inference.repository.QueuePolicy;
import io.espalier.inference.repository.QueuePolicy.TimeoutAction;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.NavigableMap;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The calls that wait for one model, and the choice of those that run next.
 *
 * <p>First in, first out within a priority. A run starts with the first call and takes every later
 * one that joins it, up to the batch size; calls of another shape are passed over, and the first of
 * them heads the next run, so none starves. A run starts at once when it has a preferred number of
 * rows, when it cannot grow, or when no delay is allowed; else when its oldest call has waited the
 * allowed delay. These are the rules of Triton's dynamic batcher, which closes a batch at the first
 * call of another shape where this one looks further.
 *
 * <p>A call that would end after its deadline, by what is ahead of it and what runs lately took, is
 * refused at once. One that finds an instance free is not: it is how the times are known.
 */
final class CallQueue {

  /** Calls of one priority; the late ones, whose policy is to wait behind the others, come last. */
  private static final class Level {
    final Set<QueuedCall> waiting = new LinkedHashSet<>();
    final Set<QueuedCall> late = new LinkedHashSet<>();
    int rows;

    int size() {
      return waiting.size() + late.size();
    }
  }

  /**
   * What one take gives.
   *
   * @param calls the calls to run; empty when there were only expired ones
   * @param expired calls that were too late to start
   */
  record Batch(List<QueuedCall> calls, List<QueuedCall> expired) {}

  private final int maxRows;
  private final @Nullable Batching batching;
  private final int fullRows;
  private final int instances;
  private final RunTimes times = new RunTimes();
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private final NavigableMap<Integer, Level> levels = new TreeMap<>();
  private int size;
  private int busy;
  private boolean open = true;

  /** A lower bound of every waiting call's expiry, so that most takes need not look for any. */
  private long nextExpiryNanos;

  /**
   * @param maxBatchSize most rows of a run; 0 runs each call by itself
   * @param batching null runs each call by itself
   * @param instances how many runs there are at once
   */
  CallQueue(int maxBatchSize, @Nullable Batching batching, int instances) {
    this.instances = instances;
    this.batching = batching;
    this.maxRows = batching == null || maxBatchSize == 0 ? 0 : maxBatchSize;
    this.fullRows =
        batching == null || batching.preferredSizes().isEmpty()
            ? maxRows
            : batching.preferredSizes().last();
  }

  QueuePolicy policy(int priority) {
    return batching == null ? QueuePolicy.UNBOUNDED : batching.policy(priority);
  }

  /** Number of calls that wait. */
  int size() {
    lock.lock();
    try {
      return size;
    } finally {
      lock.unlock();
    }
  }

  /** Adds a call, or refuses it: the queue is full, too long for its deadline, or closed. */
  void add(QueuedCall call) {
    lock.lock();
    try {
      if (!open) {
        throw new ModelException(Reason.NOT_READY, call.call().model() + ": unloaded");
      }
      Level level = levels.computeIfAbsent(call.priority(), priority -> new Level());
      int most = policy(call.priority()).maxSize();
      if (most > 0 && level.size() >= most) {
        throw new ModelException(
            Reason.QUEUE_FULL,
            call.call().model()
                + ": "
                + level.size()
                + " calls wait (max_queue_size: "
                + most
                + ")");
      }
      refuseLate(call);
      level.waiting.add(call);
      level.rows += call.rows();
      if (size == 0 || call.expiryNanos() - nextExpiryNanos < 0) {
        nextExpiryNanos = call.expiryNanos();
      }
      size++;
      changed.signal();
    } finally {
      lock.unlock();
    }
  }

  /** Takes a call out; false when it does not wait any more. */
  boolean remove(QueuedCall call) {
    lock.lock();
    try {
      Level level = levels.get(call.priority());
      if (level == null || !(level.waiting.remove(call) || level.late.remove(call))) {
        return false;
      }
      level.rows -= call.rows();
      size--;
      return true;
    } finally {
      lock.unlock();
    }
  }

  /** A run that {@link #take} began has ended; its worker takes the next one. */
  void ended() {
    lock.lock();
    try {
      busy--;
    } finally {
      lock.unlock();
    }
  }

  /** A run has taken so long. */
  void ran(int rows, long nanos) {
    lock.lock();
    try {
      times.ran(rows, nanos);
    } finally {
      lock.unlock();
    }
  }

  private void refuseLate(QueuedCall call) {
    long left = call.call().deadlineNanos() - System.nanoTime();
    long needed = predicted(call);
    if (needed > left && left > 0) {
      throw new ModelException(
          Reason.QUEUE_FULL,
          "%s: %d calls wait, this one would end after %d us (expected: within its deadline, %d us)"
              .formatted(call.call().model(), size, needed / 1000, left / 1000));
    }
  }

  /** Nanoseconds until a call would end that is added now; 0 where an instance is free for it. */
  private long predicted(QueuedCall call) {
    int rows = 0;
    int calls = 0;
    for (Level level : levels.headMap(call.priority(), true).values()) {
      rows += level.rows;
      calls += level.size();
    }
    boolean free = busy < instances;
    if (free && calls == 0) {
      return 0;
    }
    int before = maxRows == 0 ? calls : rows / maxRows;
    long run = times.expected(maxRows == 0 ? call.rows() : Math.min(maxRows, rows + call.rows()));
    // Of the run that is under way the half is left.
    return (free ? 0 : run / 2) + (before / instances) * run + run;
  }

  /**
   * Closes the queue to further calls; those that wait are still served when {@code drain}.
   *
   * @return the calls that will not be served
   */
  List<QueuedCall> close(boolean drain) {
    lock.lock();
    try {
      open = false;
      List<QueuedCall> dropped = new ArrayList<>();
      if (!drain) {
        for (Level level : levels.values()) {
          dropped.addAll(level.waiting);
          dropped.addAll(level.late);
        }
        levels.clear();
        size = 0;
      }
      changed.signalAll();
      return dropped;
    } finally {
      lock.unlock();
    }
  }

  /** Waits for work; null when the queue is closed and nothing is left. */
  @Nullable Batch take() {
    lock.lock();
    try {
      while (true) {
        if (size == 0) {
          if (!open) {
            return null;
          }
          changed.awaitUninterruptibly();
          continue;
        }
        long now = System.nanoTime();
        List<QueuedCall> expired = nextExpiryNanos - now <= 0 ? expire(now) : List.of();
        List<QueuedCall> calls = new ArrayList<>();
        long wait = choose(now, calls);
        if (wait > 0 && expired.isEmpty()) {
          try {
            wait = changed.awaitNanos(wait);
          } catch (InterruptedException e) {
            // Workers stop when the queue closes, and by nothing else.
          }
          continue;
        }
        if (wait > 0) {
          calls.clear();
        }
        for (QueuedCall call : calls) {
          Level level = levels.get(call.priority());
          if (level != null) {
            level.rows -= call.rows();
            if (!level.waiting.remove(call)) {
              level.late.remove(call);
            }
          }
        }
        if (!calls.isEmpty()) {
          busy++;
        }
        size -= calls.size();
        if (size > 0) {
          changed.signal();
        }
        return new Batch(calls, expired);
      }
    } finally {
      lock.unlock();
    }
  }

  /** Takes out the calls that are too late, moves those that may be late behind the others. */
  private List<QueuedCall> expire(long now) {
    List<QueuedCall> expired = new ArrayList<>();
    boolean first = true;
    for (Level level : levels.values()) {
      for (Set<QueuedCall> calls : List.of(level.waiting, level.late)) {
        for (Iterator<QueuedCall> each = calls.iterator(); each.hasNext(); ) {
          QueuedCall call = each.next();
          if (call.expiryNanos() - now <= 0) {
            each.remove();
            if (call.deadlinePassed(now)
                || policy(call.priority()).onTimeout() == TimeoutAction.REJECT) {
              expired.add(call);
              level.rows -= call.rows();
              continue;
            }
            call.expireAtDeadlineOnly();
            level.late.add(call);
          }
          if (first || call.expiryNanos() - nextExpiryNanos < 0) {
            nextExpiryNanos = call.expiryNanos();
            first = false;
          }
        }
      }
    }
    size -= expired.size();
    return expired;
  }

  /**
   * Chooses the next run.
   *
   * @return how long to wait before it starts; 0 = now
   */
  private long choose(long now, List<QueuedCall> chosen) {
    int rows = 0;
    int preferredCalls = 0;
    boolean passedOver = false;
    long oldest = now;
    QueuedCall head = null;
    scan:
    for (Level level : levels.values()) {
      for (Set<QueuedCall> calls : List.of(level.waiting, level.late)) {
        for (QueuedCall call : calls) {
          if (head == null) {
            head = call;
          } else if (maxRows == 0) {
            break scan;
          } else if (!head.joins(call)) {
            passedOver = true;
            continue;
          } else if (rows + call.rows() > maxRows) {
            passedOver = true;
            break scan;
          }
          chosen.add(call);
          rows += call.rows();
          if (call.enqueuedNanos() - oldest < 0) {
            oldest = call.enqueuedNanos();
          }
          if (batching != null && batching.preferredSizes().contains(rows)) {
            preferredCalls = chosen.size();
          }
          if (rows == maxRows) {
            break scan;
          }
        }
      }
    }
    if (batching == null || maxRows == 0 || chosen.isEmpty()) {
      return 0;
    }
    long delayLeft = oldest + batching.maxDelayNanos() - now;
    boolean delayed = batching.maxDelayNanos() > 0 && delayLeft <= 0;
    if (preferredCalls > 0 && !delayed) {
      chosen.subList(preferredCalls, chosen.size()).clear();
      return 0;
    }
    return passedOver || rows >= fullRows || batching.maxDelayNanos() == 0 || delayed
        ? 0
        : delayLeft;
  }
}
