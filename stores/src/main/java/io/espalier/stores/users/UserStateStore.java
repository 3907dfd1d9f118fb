package io.espalier.stores.users;

import java.time.Duration;
import java.time.Instant;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;

/**
 * The recent events of every user, by user id.
 *
 * <p>Events are ordered by their time, however late they arrive, and a second event with an id that
 * is known changes nothing. Of each user the newest {@code limit} impressions and the newest {@code
 * limit} other events are kept, so that impressions never push out what was clicked. Safe for use
 * by many threads.
 */
public interface UserStateStore extends AutoCloseable {
  /** What a user did, impressions apart. */
  Set<EventKind> INTERACTIONS = Set.copyOf(EnumSet.complementOf(EnumSet.of(EventKind.IMPRESSION)));

  /**
   * What became of the events of a call.
   *
   * @param accepted events that were stored
   * @param duplicates events whose id was known already
   * @param erased events of before the user's erasure, which are not stored
   */
  record Recorded(int accepted, int duplicates, int erased) {
    /** Of a user who was not erased. */
    public Recorded(int accepted, int duplicates) {
      this(accepted, duplicates, 0);
    }
  }

  /**
   * Stores events of a user, all of them or none; returns when they are as durable as the store
   * promises.
   *
   * @param within how long a server is waited for; a store in this process waits for its disk
   * @throws UserStateException when they could not be stored; where it was late or the way to it
   *     was lost, whether they were is open, and a second delivery is harmless
   */
  Recorded record(String user, List<UserEvent> events, Duration within);

  /**
   * The newest events of these kinds, at most {@code max}, oldest first; none for an unknown user.
   *
   * @param within how long a server is waited for
   * @throws UserStateException when a server was late or away
   */
  List<UserEvent> recent(String user, Set<EventKind> kinds, int max, Duration within);

  /**
   * What others seal records of the users with. {@link #erase} destroys the user's; closed with
   * this store.
   */
  UserKeys keys();

  /**
   * Forgets a user, and what a data folder knows of him; what he does afterwards is a new user's.
   * Events of up to {@code at} are not stored however late they arrive.
   *
   * @param within as for {@link #record}
   * @throws UserStateException when it is not certain that he is forgotten
   */
  void erase(String user, Instant at, Duration within);

  /**
   * Has {@code forget} called for every user who is erased from now on, by whichever process shares
   * this store, within seconds.
   *
   * @param forget takes the {@link UserHash} of the user; called on a thread of the store's
   */
  void onErasure(Consumer<String> forget);

  @Override
  void close();
}
