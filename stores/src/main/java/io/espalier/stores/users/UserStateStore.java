package io.espalier.stores.users;

import io.espalier.stores.catalog.CatalogItem;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.stores.catalog.UserSequence;
import io.espalier.stores.log.LogException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import org.jspecify.annotations.Nullable;

/**
 * The recent events of every user, by user id: embedded, in memory, with an append-only log behind
 * it that is replayed at start.
 *
 * <p>Events are ordered by their time, however late they arrive, and a second event with an id that
 * is known changes nothing. Of each user the newest {@code limit} impressions and the newest {@code
 * limit} other events are kept, so that impressions never push out what was clicked. Safe for use
 * by many threads; each user has a lock of his own.
 */
public final class UserStateStore implements AutoCloseable {
  /** What a user did, impressions apart. */
  public static final Set<EventKind> INTERACTIONS =
      Set.copyOf(EnumSet.complementOf(EnumSet.of(EventKind.IMPRESSION)));

  private final int limit;
  private final ConcurrentMap<String, UserState> users = new ConcurrentHashMap<>();
  private final @Nullable EventLog log;

  private UserStateStore(int limit) {
    this.limit = checkLimit(limit);
    this.log = null;
  }

  private UserStateStore(int limit, Path directory, Durability durability) {
    this.limit = checkLimit(limit);
    this.log = EventLog.open(directory, durability, (user, event) -> state(user).add(event));
  }

  private static int checkLimit(int limit) {
    if (limit < 1) {
      throw new IllegalArgumentException("limit: " + limit + " (expected: >= 1)");
    }
    return limit;
  }

  /** A store that forgets everything when the process ends. */
  public static UserStateStore inMemory(int limit) {
    return new UserStateStore(limit);
  }

  /**
   * Opens the store in a directory, which is made when it is not there, and replays its log.
   *
   * @param limit events kept of each user
   * @throws UncheckedIOException when the directory cannot be made
   * @throws LogException when the log cannot be read, or another store holds it
   */
  public static UserStateStore open(Path directory, int limit, Durability durability) {
    try {
      Files.createDirectories(directory);
    } catch (IOException e) {
      throw new UncheckedIOException(directory + ": cannot be made", e);
    }
    return new UserStateStore(limit, directory, durability);
  }

  /**
   * How many of the events of a call were new.
   *
   * @param accepted events that were stored
   * @param duplicates events whose id was known already
   */
  public record Recorded(int accepted, int duplicates) {}

  /**
   * Stores events of a user; returns when they are as durable as the store promises.
   *
   * @throws LogException when they could not be logged: none is stored when they could not be
   *     written; when they could not be forced, whether they outlive a loss of power is open
   */
  public Recorded record(String user, List<UserEvent> events) {
    UserEvent.checkId("user", user);
    if (user.isEmpty()) {
      throw new IllegalArgumentException("user: empty (expected: a user's id)");
    }
    UserState state = state(user);
    List<UserEvent> fresh = new ArrayList<>(events.size());
    long end = 0;
    synchronized (state) {
      Set<String> ids = new HashSet<>();
      for (UserEvent event : events) {
        boolean twice = !event.eventId().isEmpty() && !ids.add(event.eventId());
        if (!twice && !state.knows(event.eventId())) {
          fresh.add(event);
        }
      }
      if (log != null) {
        // The first delivery of a duplicate may still be on its way to the disk: wait for it too.
        end = fresh.isEmpty() ? log.end() : log.append(user, fresh);
      }
      fresh.forEach(state::add);
    }
    if (log != null) {
      log.await(end);
    }
    return new Recorded(fresh.size(), events.size() - fresh.size());
  }

  /**
   * The newest events of these kinds, at most {@code max}, oldest first; none for an unknown user.
   */
  public List<UserEvent> recent(String user, Set<EventKind> kinds, int max) {
    UserState state = users.get(user);
    if (state == null || max <= 0) {
      return List.of();
    }
    synchronized (state) {
      return state.recent(kinds, max);
    }
  }

  /** Whether anything is known of the user. */
  public boolean knows(String user) {
    UserState state = users.get(user);
    if (state == null) {
      return false;
    }
    synchronized (state) {
      return !state.isEmpty();
    }
  }

  /** How many users have a state. */
  public int size() {
    return users.size();
  }

  /**
   * Takes over what a data folder knows of its users, without logging it: the interactions of its
   * event log where it has one, else its sequences.
   *
   * <p>Sequences have no times: an event of one is given its position in seconds since 1970, so
   * that it comes before anything that is recorded later.
   *
   * @param leaveOut how many of the last items of each sequence are not taken: 0 to serve, 1 to
   *     evaluate on the last; an event log is taken whole
   * @return how many users it knows
   */
  public int load(DataFolder folder, int leaveOut) {
    Map<String, String> ids = new HashMap<>();
    Set<String> loaded = new HashSet<>();
    boolean hasLog =
        folder.forEachEvent(
            event -> {
              if (INTERACTIONS.contains(event.kind())) {
                // One string for each id, not one for each event.
                String item = ids.computeIfAbsent(event.itemId(), id -> id);
                add(
                    event.user(),
                    new UserEvent("", item, event.kind(), event.time(), "", event.position()));
              }
              loaded.add(event.user());
            });
    if (hasLog) {
      return loaded.size();
    }
    List<CatalogItem> items = folder.items();
    for (UserSequence sequence : folder.sequences()) {
      for (int i = 0; i < sequence.length() - leaveOut; i++) {
        String item = items.get(sequence.item(i)).id();
        add(sequence.user(), new UserEvent("", item, EventKind.CLICK, Instant.ofEpochSecond(i)));
      }
    }
    return folder.sequences().size();
  }

  private void add(String user, UserEvent event) {
    UserState state = state(user);
    synchronized (state) {
      state.add(event);
    }
  }

  private UserState state(String user) {
    return users.computeIfAbsent(user, unused -> new UserState(limit));
  }

  /** Forces the log and lets go of it. */
  @Override
  public void close() {
    if (log != null) {
      log.close();
    }
  }
}
