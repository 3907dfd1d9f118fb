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
import java.util.function.ToIntFunction;
import org.jspecify.annotations.Nullable;

/**
 * The calls of one model: as many as keep its servers busy are there, the others wait here, first
 * in first out within a priority. A call goes to the server that has the least to do among those
 * with room.
 *
 * <p>Triton lets a call that was cancelled, or is late, go only when an instance is free for it; a
 * call that waits here is gone at once.
 *
 * @param <S> a server
 */
final class SendQueue<S> {
  /** What of the model is at one server. */
  private static final class Place<S> {
    final S server;
    SendLimits limits;
    boolean open = true;
    int work;
    int calls;

    Place(S server, SendLimits limits) {
      this.server = server;
      this.limits = limits;
    }

    boolean hasRoom(SentCall call) {
      return calls == 0 || (calls < limits.calls() && work + limits.work(call) <= limits.work());
    }
  }

  private record Next<S>(S server, SentCall call) {}

  private final String model;
  private final ToIntFunction<S> load;
  private final BiConsumer<S, SentCall> send;
  // Counts those who want calls sent: the first of them sends, for all.
  private final AtomicInteger sending = new AtomicInteger();
  private final NavigableMap<Integer, LinkedHashSet<SentCall>> waiting = new TreeMap<>();
  private final List<Place<S>> places = new ArrayList<>();
  private @Nullable ModelException refusal;
  private boolean closed;
  // Where the search for a server begins, so that equal ones take turns.
  private int turn;

  /**
   * A queue that sends nothing before a server opens.
   *
   * @param load how much a server has to do at present
   * @param send starts a call at a server; {@link #ended} is called once it has ended
   */
  SendQueue(String model, ToIntFunction<S> load, BiConsumer<S, SentCall> send) {
    this.model = model;
    this.load = load;
    this.send = send;
  }

  /** A server has the model ready: sends it what waits, and refuses what is beyond the limits. */
  void open(S server, SendLimits limits) {
    synchronized (this) {
      if (closed) {
        return;
      }
      refusal = null;
      Place<S> known = place(server);
      if (known == null) {
        places.add(new Place<>(server, limits));
      } else {
        known.limits = limits;
        known.open = true;
      }
    }
    send();
    refuseExcess();
  }

  /** Nothing more goes to a server; what is there ends as it does. */
  synchronized void shut(S server) {
    Place<S> known = place(server);
    if (known != null) {
      known.open = false;
      dropIfDone(known);
    }
  }

  /** Calls wait, though no server is open: it is not known yet whether one will be. */
  synchronized void hold() {
    if (!closed) {
      refusal = null;
    }
  }

  /** Fails what waits, and what is added until a server opens. */
  void refuse(ModelException why) {
    fail(why, false);
  }

  /** Fails what waits here and what is added from now on; calls at a server end as they do. */
  void close(ModelException why) {
    fail(why, true);
  }

  private void fail(ModelException why, boolean forGood) {
    List<SentCall> dropped = new ArrayList<>();
    synchronized (this) {
      if (closed) {
        return;
      }
      closed = forGood;
      refusal = why;
      waiting.values().forEach(dropped::addAll);
      waiting.clear();
    }
    dropped.forEach(call -> call.fail(why));
  }

  /** Sends a call, now or when others have ended, or fails it: the queue is full or refuses. */
  void add(SentCall call) {
    ModelException why;
    synchronized (this) {
      why = refusal;
      if (why == null) {
        waiting.computeIfAbsent(call.priority(), level -> new LinkedHashSet<>()).add(call);
      }
    }
    if (why != null) {
      call.fail(why);
      return;
    }
    send();
    refuseExcess();
  }

  /**
   * Puts a call that a server could not serve before all others, for another server.
   *
   * @return false where there is no other, and it is not here
   */
  boolean addAgain(SentCall call, S failed) {
    synchronized (this) {
      if (refusal != null
          || places.stream().noneMatch(place -> place.open && place.server != failed)) {
        return false;
      }
      waiting.computeIfAbsent(call.priority(), level -> new LinkedHashSet<>()).addFirst(call);
    }
    send();
    return true;
  }

  /** Takes a call out; false when it does not wait here. */
  synchronized boolean remove(SentCall call) {
    LinkedHashSet<SentCall> level = waiting.get(call.priority());
    return level != null && level.remove(call);
  }

  /** A server is done with a call, however that ended. */
  void ended(S server, SentCall call) {
    synchronized (this) {
      Place<S> known = place(server);
      if (known != null) {
        known.calls--;
        // Limits change where a model is loaded anew.
        known.work = known.calls == 0 ? 0 : known.work - known.limits.work(call);
        dropIfDone(known);
      }
    }
    send();
  }

  /** Number of calls that wait here. */
  synchronized int size() {
    return waiting.values().stream().mapToInt(LinkedHashSet::size).sum();
  }

  /** Number of calls at the servers. */
  synchronized int atServers() {
    return places.stream().mapToInt(place -> place.calls).sum();
  }

  /** Whether a server takes calls. */
  synchronized boolean isOpen() {
    return !closed && places.stream().anyMatch(place -> place.open);
  }

  private @Nullable Place<S> place(S server) {
    for (Place<S> place : places) {
      if (place.server == server) {
        return place;
      }
    }
    return null;
  }

  private void dropIfDone(Place<S> place) {
    if (!place.open && place.calls == 0) {
      places.remove(place);
    }
  }

  private void send() {
    if (sending.getAndIncrement() != 0) {
      return;
    }
    int wanted = 1;
    while (wanted != 0) {
      for (Next<S> next = next(); next != null; next = next()) {
        send.accept(next.server(), next.call());
      }
      wanted = sending.addAndGet(-wanted);
    }
  }

  private synchronized @Nullable Next<S> next() {
    for (LinkedHashSet<SentCall> level : waiting.values()) {
      if (!level.isEmpty()) {
        Place<S> place = leastLoaded(level.getFirst());
        if (place == null) {
          return null;
        }
        SentCall call = level.removeFirst();
        place.work += place.limits.work(call);
        place.calls++;
        return new Next<>(place.server, call);
      }
    }
    return null;
  }

  private @Nullable Place<S> leastLoaded(SentCall call) {
    Place<S> best = null;
    int least = Integer.MAX_VALUE;
    int size = places.size();
    for (int i = 0; i < size; i++) {
      Place<S> place = places.get((turn + i) % size);
      if (place.open && place.hasRoom(call)) {
        int has = load.applyAsInt(place.server);
        if (best == null || has < least) {
          best = place;
          least = has;
        }
      }
    }
    if (best != null) {
      turn = (places.indexOf(best) + 1) % size;
    }
    return best;
  }

  private void refuseExcess() {
    List<SentCall> refused = new ArrayList<>();
    int most;
    synchronized (this) {
      most = mostWaiting();
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

  /** As many as the queues of all open servers hold; unbounded before one is known. */
  private int mostWaiting() {
    long most = 0;
    for (Place<S> place : places) {
      most += place.open ? place.limits.waiting() : 0;
    }
    return most == 0 ? Integer.MAX_VALUE : (int) Math.min(most, Integer.MAX_VALUE);
  }
}
