package io.espalier.server;

import io.espalier.server.Tenants.Entry;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The calls that a server has in progress, and the decision on the next one: by its tenant's quota,
 * by how many there are already, and by whether it can end before its deadline.
 *
 * <p>Time is what the callers say it is, in nanoseconds.
 */
final class Places {
  // The share of the limit that calls of a lower priority see.
  private static final double LOWER_PRIORITY = .8;
  private static final int FIRST_LIMIT = 20;
  // Times the limit, of calls that tenants are owed.
  private static final int OVERDRAFT = 2;

  private final int most;
  private final @Nullable LatencyLimit adaptive;
  private final Tenants tenants;
  private final Map<String, Duration> durations = new HashMap<>();
  private int inProgress;
  private int streams;
  private boolean objectivesTold;

  /**
   * Places for so many calls.
   *
   * @param most however short they are; 0: any number
   */
  Places(int most, AdmissionConfig config, long now) {
    this.most = most == 0 ? Integer.MAX_VALUE : most;
    this.tenants = new Tenants(config);
    this.adaptive =
        config.adaptive()
            ? new LatencyLimit(config.target(), config.leastCalls(), this.most, FIRST_LIMIT, now)
            : null;
  }

  /** Why a call was not let in. */
  enum Refusal {
    /** Its tenant has had what it may have. */
    QUOTA,
    /** There are as many calls as there may be. */
    LIMIT,
    /** It would not end before its deadline. */
    DEADLINE
  }

  /** A call's place, given back once. */
  static final class Place {
    private final Entry tenant;
    // Guarded by the places' lock: the method, until it is known better.
    private String kind;
    // As well: whether it was refused for what it is.
    private boolean notForLoad;
    private final long started;
    private final int depth;
    private final boolean stream;
    private final long leftNanos;

    private Place(
        Entry tenant, String kind, long started, int depth, boolean stream, long leftNanos) {
      this.tenant = tenant;
      this.kind = kind;
      this.started = started;
      this.depth = depth;
      this.stream = stream;
      this.leftNanos = leftNanos;
    }
  }

  /** How a call ended, for the limit. */
  enum End {
    /** It was done, or its deadline passed. */
    TIMED,
    /** What it needs refused it for load. */
    OVERLOADED,
    /** Its time says nothing. */
    OTHER
  }

  /** A place, or why there is none, with words for the caller. */
  record Answer(@Nullable Place place, @Nullable Refusal refusal, String words, double load) {
    private static Answer refused(Refusal why, String words) {
      return new Answer(null, why, words, 1);
    }
  }

  /** How long calls of a kind lately took. */
  private static final class Duration {
    // A slow one now and then (the first ones, a collection of garbage) is no reason to refuse.
    private static final double SLOWER = .1;
    private static final double QUICKER = .3;
    private static final long KEPT_NANOS = TimeUnit.SECONDS.toNanos(2);

    private double nanos;
    private double depth;
    private long last;

    void add(long now, long took, int atDepth) {
      // After a pause the first one begins anew.
      double weight = isOld(now) ? 1 : took > nanos ? SLOWER : QUICKER;
      nanos += weight * (took - nanos);
      depth += weight * (atDepth - depth);
      last = now;
    }

    private boolean isOld(long now) {
      return nanos == 0 || now - last > Math.max((double) KEPT_NANOS, 2 * nanos);
    }

    /** What a call takes beside so many others; 0 where that is not known. */
    double expected(long now, int beside) {
      return isOld(now) ? 0 : nanos * Math.max(1, (beside + 1) / Math.max(1, depth));
    }
  }

  /**
   * Asks for a place.
   *
   * @param leftNanos until the call's deadline; {@link Long#MAX_VALUE} where it has none
   * @param stream whether it goes on for as long as its caller likes: the adaptive limit and the
   *     tenants' shares are about others
   */
  synchronized Answer take(
      String method, String tenant, int priority, long leftNanos, boolean stream, long now) {
    Entry entry = tenants.asks(tenant, now);
    int all = inProgress + streams;
    if (all >= most) {
      tenants.refused(entry, now);
      return Answer.refused(
          Refusal.LIMIT, "calls in progress: %d (expected: at most %d)".formatted(all + 1, most));
    }
    int limit = limit();
    if (!stream) {
      int seen = priority == 0 ? limit : Math.max(1, (int) (LOWER_PRIORITY * limit));
      boolean room = inProgress < seen && !tenants.standsBack(entry, now);
      boolean owed =
          priority == 0
              && inProgress < OVERDRAFT * (long) limit
              && tenants.isFarBelowShare(entry, now);
      if (!room && !owed) {
        tenants.refused(entry, now);
        return Answer.refused(
            Refusal.LIMIT,
            "calls in progress: %d (expected: at most %d)".formatted(inProgress + 1, seen));
      }
      long expected = expected(method, inProgress, now);
      if (expected > leftNanos) {
        return Answer.refused(Refusal.DEADLINE, late(leftNanos, expected));
      }
    }
    // Last, so that a call that is refused in any case costs its tenant nothing.
    if (!tenants.pays(entry, now)) {
      return Answer.refused(
          Refusal.QUOTA,
          "tenant '%s': more than %s calls a second (expected: within its quota)"
              .formatted(tenant, entry.rate()));
    }
    if (stream) {
      streams++;
    } else {
      inProgress++;
      entry.inProgress++;
      tenants.letIn(entry, now);
    }
    return new Answer(
        new Place(entry, method, now, inProgress, stream, leftNanos),
        null,
        "",
        inProgress / (double) limit);
  }

  /**
   * A call says what it is about to do.
   *
   * @throws RequestException when it would not end in time
   */
  synchronized void work(Place place, String kind, long now) {
    place.kind = kind;
    if (place.leftNanos != Long.MAX_VALUE) {
      long left = place.leftNanos - (now - place.started);
      long expected = expected(kind, inProgress - 1, now);
      if (expected > left) {
        place.notForLoad = true;
        throw RequestException.resourceExhausted(late(left, expected));
      }
    }
  }

  /** A call is refused for what it is: its end says nothing of the load. */
  synchronized void notForLoad(Place place) {
    place.notForLoad = true;
  }

  /**
   * Nanoseconds; 0 where that is not known, or nothing else is in progress: somebody has to try.
   */
  private long expected(String kind, int beside, long now) {
    Duration lately = durations.get(kind);
    return lately == null || beside == 0 ? 0 : (long) lately.expected(now, beside);
  }

  private static String late(long leftNanos, long expectedNanos) {
    return "deadline: %d ms left (expected: at least %d ms, which such calls take at present)"
        .formatted(
            TimeUnit.NANOSECONDS.toMillis(leftNanos), TimeUnit.NANOSECONDS.toMillis(expectedNanos));
  }

  /**
   * Gives a place back.
   *
   * @param reported how its call ended
   * @param objectiveNanos in what time the call should have ended; 0 where nobody said
   */
  void give(Place place, End reported, long objectiveNanos, long now) {
    long took = now - place.started;
    End end;
    boolean counts;
    synchronized (this) {
      if (place.stream) {
        streams--;
        return;
      }
      inProgress--;
      place.tenant.inProgress--;
      end = place.notForLoad ? End.OTHER : reported;
      if (end == End.TIMED) {
        durations.computeIfAbsent(place.kind, kind -> new Duration()).add(now, took, place.depth);
      }
      objectivesTold |= objectiveNanos > 0;
      counts = objectiveNanos > 0 || (!objectivesTold && place.leftNanos != Long.MAX_VALUE);
    }
    if (adaptive != null && counts && end != End.OTHER) {
      double use =
          end == End.OVERLOADED
              ? 1
              : took / (double) Math.max(1, objectiveNanos > 0 ? objectiveNanos : place.leftNanos);
      adaptive.ended(now, place.started, place.depth, use);
    }
  }

  /** How many calls may be in progress. */
  int limit() {
    return adaptive == null ? most : adaptive.limit();
  }

  synchronized int inProgress() {
    return inProgress + streams;
  }
}
