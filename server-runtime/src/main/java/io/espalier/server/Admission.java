package io.espalier.server;

import io.espalier.server.Places.Place;
import io.grpc.Context;
import java.time.Duration;

/** What the server's limit knows of the current call, and is told of it. */
public final class Admission {
  static final Context.Key<Admission> KEY = Context.key("espalier-admission");

  private final Places places;
  private final Place place;
  private final double load;
  private volatile long objectiveNanos;

  Admission(Places places, Place place, double load) {
    this.places = places;
    this.place = place;
    this.load = load;
  }

  /**
   * How full the server was when it let the current call in: calls in progress over the limit, more
   * than 1 where a tenant was owed a place; 0 outside a call.
   */
  public static double load() {
    Admission admission = KEY.get();
    return admission == null ? 0 : admission.load;
  }

  /**
   * Says in what time the current call should end: the limit is such that the calls do. On a server
   * where any call says it, those that do not have no part in the limit; where none does the
   * deadlines count.
   */
  public static void objective(Duration time) {
    Admission admission = KEY.get();
    if (admission != null) {
      admission.objectiveNanos = time.toNanos();
    }
  }

  /**
   * Says what the current call is about to do, so that its time is compared with that of its like.
   *
   * @param kind a name of which there are few: a route's, a bundle's
   * @throws RequestException RESOURCE_EXHAUSTED, when it would not end before its deadline by what
   *     its like lately took
   */
  public static void work(String kind) {
    Admission admission = KEY.get();
    if (admission != null) {
      admission.places.work(admission.place, kind, System.nanoTime());
    }
  }

  /** Says that the current call is refused for what it is, however little there is to do. */
  static void notForLoad() {
    Admission admission = KEY.get();
    if (admission != null) {
      admission.places.notForLoad(admission.place);
    }
  }

  /** Nanoseconds; 0 where nobody said. */
  long objectiveNanos() {
    return objectiveNanos;
  }
}
