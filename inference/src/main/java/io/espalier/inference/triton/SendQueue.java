package io.espalier.inference.triton;

import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/**
 * The calls of one model: as many as keep the server busy are there, the others wait here, first in
 * first out within a priority.
 *
 * <p>Triton lets a call that was cancelled, or is late, go only when an instance is free for it; a
 * call that waits here is gone at once.
 */
final class SendQueue {
  private final String model;
  private final BiConsumer<SendQueue, SentCall> send;
  // Counts those who want calls sent: the first of them sends, for all.
  private final AtomicInteger sending = new AtomicInteger();
  private final NavigableMap<Integer, LinkedHashSet<SentCall>> waiting = new TreeMap<>();
  private @Nullable SendLimits limits;
  private @Nullable ModelException closed;
  private int workAtServer;
  private int callsAtServer;

  /**
   * A queue that sends nothing before its limits are known.
   *
   * @param send starts a call; {@link #ended} is called once it has ended
   */
  SendQueue(String model, BiConsumer<SendQueue, SentCall> send) {
    this.model = model;
    this.send = send;
  }

  /** Sends what waited for the limits, and refuses what is beyond them. */
  void limit(SendLimits known) {
    synchronized (this) {
      limits = known;
    }
    send();
    refuseExcess();
  }

  /** Sends a call, now or when others have ended, or fails it: the queue is full or closed. */
  void add(SentCall call) {
    ModelException refusal;
    synchronized (this) {
      refusal = closed;
      if (refusal == null) {
        waiting.computeIfAbsent(call.priority(), level -> new LinkedHashSet<>()).add(call);
      }
    }
    if (refusal != null) {
      call.fail(refusal);
      return;
    }
    send();
    refuseExcess();
  }

  /** Takes a call out; false when it does not wait here. */
  synchronized boolean remove(SentCall call) {
    LinkedHashSet<SentCall> level = waiting.get(call.priority());
    return level != null && level.remove(call);
  }

  /** The server is done with a call, however that ended. */
  void ended(SentCall call) {
    synchronized (this) {
      if (limits != null) {
        workAtServer -= limits.work(call);
      }
      callsAtServer--;
    }
    send();
  }

  /** Fails what waits here and what is added from now on; calls at the server end as they do. */
  void close(ModelException why) {
    List<SentCall> dropped = new ArrayList<>();
    synchronized (this) {
      closed = why;
      waiting.values().forEach(dropped::addAll);
      waiting.clear();
    }
    dropped.forEach(call -> call.fail(why));
  }

  /** Number of calls that wait here. */
  synchronized int size() {
    return waiting.values().stream().mapToInt(LinkedHashSet::size).sum();
  }

  /** Number of calls at the server. */
  synchronized int atServer() {
    return callsAtServer;
  }

  private void send() {
    if (sending.getAndIncrement() != 0) {
      return;
    }
    int wanted = 1;
    while (wanted != 0) {
      for (SentCall next = next(); next != null; next = next()) {
        send.accept(this, next);
      }
      wanted = sending.addAndGet(-wanted);
    }
  }

  private synchronized @Nullable SentCall next() {
    if (limits == null) {
      return null;
    }
    for (LinkedHashSet<SentCall> level : waiting.values()) {
      if (!level.isEmpty()) {
        int work = limits.work(level.getFirst());
        boolean room =
            callsAtServer == 0
                || (callsAtServer < limits.calls() && workAtServer + work <= limits.work());
        if (!room) {
          return null;
        }
        workAtServer += work;
        callsAtServer++;
        return level.removeFirst();
      }
    }
    return null;
  }

  private void refuseExcess() {
    List<SentCall> refused = new ArrayList<>();
    int most;
    synchronized (this) {
      most = limits == null ? Integer.MAX_VALUE : limits.waiting();
      for (LinkedHashSet<SentCall> level : waiting.values()) {
        while (level.size() > most) {
          refused.add(level.removeLast());
        }
      }
    }
    for (SentCall call : refused) {
      call.fail(
          new ModelException(
              Reason.QUEUE_FULL,
              model + ": " + most + " calls wait (max_queue_size: " + most + ")"));
    }
  }
}
