package io.espalier.router;

import io.espalier.server.ConfigException;
import io.espalier.server.RequestException;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.List;
import java.util.function.UnaryOperator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The routes that hold, and those that did before. All of them change at once: a request takes them
 * once, when it begins.
 */
final class LiveRoutes {
  private static final Logger log = LoggerFactory.getLogger(LiveRoutes.class);
  private static final int KEPT = 32;

  private final Requirement requirement;
  private final InstantSource clock;
  // Newest first, without the one that holds; guarded by this.
  private final Deque<Revision> earlier = new ArrayDeque<>();
  private volatile Revision current;

  /** What routes must satisfy before they hold. */
  @FunctionalInterface
  interface Requirement {
    /**
     * Looks at routes that are new.
     *
     * @throws RequestException when they cannot hold
     */
    void check(Collection<RoutePlan> plans);
  }

  /**
   * The routes as they were made at one time.
   *
   * @param number from 1
   * @param change what was done, in words
   */
  record Revision(long number, Instant applied, String change, RouteTable table) {}

  /** Starts with the routes of files, which nothing is required of. */
  LiveRoutes(RouteTable first, Requirement requirement, InstantSource clock) {
    this.requirement = requirement;
    this.clock = clock;
    this.current = new Revision(1, clock.instant(), "the router's files", first);
  }

  /** The routes that hold now. */
  Revision now() {
    return current;
  }

  /** Those that can be returned to, newest first. */
  synchronized List<Revision> earlier() {
    return List.copyOf(earlier);
  }

  /**
   * Changes the routes; requests do not wait for it.
   *
   * @param expected the revision that they must have; 0 for any
   * @param edit from the routes that hold to those that are to
   * @return the revision that holds from now on
   * @throws RequestException when the routes cannot be so; they stay as they are
   */
  synchronized Revision change(String change, long expected, UnaryOperator<List<RoutePlan>> edit) {
    RouteTable table = checked(expected, edit);
    earlier.addFirst(current);
    if (earlier.size() > KEPT) {
      earlier.removeLast();
    }
    current = new Revision(current.number() + 1, clock.instant(), change, table);
    log.info("routes: revision {}: {}", current.number(), change);
    return current;
  }

  /** Says whether a change would be refused: throws as {@link #change} does. */
  synchronized RouteTable checked(long expected, UnaryOperator<List<RoutePlan>> edit) {
    if (expected != 0 && expected != current.number()) {
      throw RequestException.aborted(
          "expected_revision: %d (expected: %d, the one that holds)"
              .formatted(expected, current.number()));
    }
    Collection<RoutePlan> before = current.table().plans();
    List<RoutePlan> plans = edit.apply(new ArrayList<>(before));
    RouteTable table;
    try {
      table = new RouteTable(plans);
    } catch (ConfigException e) {
      throw RequestException.invalidArgument(String.valueOf(e.getMessage()));
    }
    // Those that hold already go on by themselves.
    requirement.check(plans.stream().filter(plan -> !before.contains(plan)).toList());
    return table;
  }

  /**
   * What a return came to.
   *
   * @param holds the revision from now on
   * @param restored the revision whose routes it has
   */
  record Return(Revision holds, long restored) {}

  /**
   * Returns to the routes of an earlier revision.
   *
   * @param number which; 0 for the one before
   */
  synchronized Return rollBack(long number, long expected) {
    Revision wanted =
        earlier.stream()
            .filter(revision -> number == 0 || revision.number() == number)
            .findFirst()
            .orElseThrow(
                () ->
                    RequestException.notFound(
                        "revision: %s (expected: one of %s)"
                            .formatted(
                                number == 0 ? "the one before" : number,
                                earlier.stream().map(Revision::number).toList())));
    Revision holds =
        change(
            "back to revision " + wanted.number(),
            expected,
            plans -> List.copyOf(wanted.table().plans()));
    return new Return(holds, wanted.number());
  }
}
