package io.espalier.stores.users;

import io.espalier.stores.catalog.CatalogItem;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.stores.catalog.UserSequence;
import io.espalier.stores.log.LogException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;

/**
 * Users' events in the memory of this process, with an append-only log behind them that is replayed
 * at start. Each user has a lock of his own, and a key of his own that his events in the log are
 * sealed with: erasing him destroys it.
 */
public final class EmbeddedUserStates implements UserStateStore {
  private final int limit;
  // By the user's hash.
  private final ConcurrentMap<String, UserState> users = new ConcurrentHashMap<>();
  // Whom a data folder must not bring back, though no key of theirs says so: erased by a log of
  // before there were keys.
  private final Set<String> forgotten = ConcurrentHashMap.newKeySet();
  private final List<Consumer<String>> listeners = new CopyOnWriteArrayList<>();
  private final EmbeddedUserKeys keys;
  private final @Nullable EventLog log;

  private EmbeddedUserStates(int limit) {
    this.limit = checkLimit(limit);
    this.keys = EmbeddedUserKeys.inMemory();
    this.log = null;
  }

  private EmbeddedUserStates(
      int limit, Path directory, Durability durability, EmbeddedUserKeys keys) {
    this.limit = checkLimit(limit);
    this.keys = keys;
    this.log = EventLog.open(directory, durability, keys, this::replay, this::replayErasure);
  }

  private void replay(String user, UserEvent event) {
    if (!isErased(user, event)) {
      state(UserHash.of(user)).add(event);
    }
  }

  private void replayErasure(String user) {
    forgotten.add(UserHash.of(user));
    users.remove(UserHash.of(user));
  }

  private boolean isErased(String user, UserEvent event) {
    return keys.erased(user).filter(until -> !event.time().isAfter(until)).isPresent();
  }

  private static int checkLimit(int limit) {
    if (limit < 1) {
      throw new IllegalArgumentException("limit: " + limit + " (expected: >= 1)");
    }
    return limit;
  }

  /** A store that forgets everything when the process ends. */
  public static EmbeddedUserStates inMemory(int limit) {
    return new EmbeddedUserStates(limit);
  }

  /**
   * Opens the store in a directory, which is made when it is not there, and replays its log.
   *
   * @param limit events kept of each user
   * @throws UncheckedIOException when the directory cannot be made
   * @throws LogException when the log cannot be read, or another store holds it
   */
  public static EmbeddedUserStates open(Path directory, int limit, Durability durability) {
    try {
      Files.createDirectories(directory);
    } catch (IOException e) {
      throw new UncheckedIOException(directory + ": cannot be made", e);
    }
    checkLimit(limit);
    EmbeddedUserKeys keys = EmbeddedUserKeys.open(directory);
    try {
      return new EmbeddedUserStates(limit, directory, durability, keys);
    } catch (RuntimeException e) {
      keys.close();
      throw e;
    }
  }

  @Override
  public UserKeys keys() {
    return keys;
  }

  /**
   * {@inheritDoc}
   *
   * <p>None is stored when they could not be written to the log; when they could not be forced,
   * whether they outlive a loss of power is open.
   */
  @Override
  public Recorded record(String user, List<UserEvent> events, Duration within) {
    UserEvent.checkUser(user);
    List<UserEvent> fresh = new ArrayList<>(events.size());
    AtomicInteger late = new AtomicInteger();
    locked(
        user,
        state -> {
          Set<String> ids = new HashSet<>();
          for (UserEvent event : events) {
            boolean twice = !event.eventId().isEmpty() && !ids.add(event.eventId());
            if (isErased(user, event)) {
              late.incrementAndGet();
            } else if (!twice && !state.knows(event.eventId())) {
              fresh.add(event);
            }
          }
          // The first delivery of a duplicate may still be on its way to the disk: wait for it too.
          long end = log == null ? 0 : fresh.isEmpty() ? log.end() : log.append(user, fresh);
          fresh.forEach(state::add);
          return end;
        });
    int erased = late.get();
    return new Recorded(fresh.size(), events.size() - fresh.size() - erased, erased);
  }

  /**
   * {@inheritDoc}
   *
   * <p>What the log has of him cannot be read from then on, since its key is destroyed. A log of
   * before there were keys keeps its bytes.
   */
  @Override
  public void erase(String user, Instant at, Duration within) {
    UserEvent.checkUser(user);
    String hash = UserHash.of(user);
    locked(
        user,
        state -> {
          keys.destroy(user, at, within);
          users.remove(hash);
          return 0;
        });
    listeners.forEach(listener -> listener.accept(hash));
  }

  /** {@inheritDoc} Here nobody else has it: called before {@link #erase} returns. */
  @Override
  public void onErasure(Consumer<String> forget) {
    listeners.add(forget);
  }

  /** Does something with a user's state, and waits until the log is safe up to where that says. */
  private void locked(String user, ToLongFunction<UserState> work) {
    try {
      String hash = UserHash.of(user);
      long end;
      UserState state;
      do {
        state = state(hash);
        synchronized (state) {
          // Another one has taken its place where the user was erased meanwhile.
          end = users.get(hash) == state ? work.applyAsLong(state) : -1;
        }
      } while (end < 0);
      if (log != null) {
        log.await(end);
      }
    } catch (LogException e) {
      throw UserStateException.failed("the log of events cannot be written", e);
    }
  }

  @Override
  public List<UserEvent> recent(String user, Set<EventKind> kinds, int max, Duration within) {
    UserState state = users.get(UserHash.of(user));
    if (state == null || max <= 0) {
      return List.of();
    }
    synchronized (state) {
      return state.recent(kinds, max);
    }
  }

  /** Whether anything is known of the user. */
  public boolean knows(String user) {
    UserState state = users.get(UserHash.of(user));
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
   * event log where it has one, else its sequences. Nothing of users who were erased.
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
    // A user is looked for once, not for each of millions of events.
    Map<String, UserState> states = new HashMap<>();
    boolean hasLog =
        folder.forEachEvent(
            event -> {
              if (INTERACTIONS.contains(event.kind())) {
                // One string for each id, not one for each event.
                String item = ids.computeIfAbsent(event.itemId(), id -> id);
                add(
                    states.computeIfAbsent(event.user(), this::remembered),
                    new UserEvent("", item, event.kind(), event.time(), "", event.position()));
              }
              loaded.add(event.user());
            });
    if (hasLog) {
      return loaded.size();
    }
    List<CatalogItem> items = folder.items();
    for (UserSequence sequence : folder.sequences()) {
      int taken = sequence.length() - leaveOut;
      UserState state = taken > 0 ? remembered(sequence.user()) : new UserState(limit);
      for (int i = 0; i < taken; i++) {
        String item = items.get(sequence.item(i)).id();
        add(state, new UserEvent("", item, EventKind.CLICK, Instant.ofEpochSecond(i)));
      }
    }
    return folder.sequences().size();
  }

  /** A user's state; where he was forgotten, one that nobody asks for. */
  private UserState remembered(String user) {
    String hash = UserHash.of(user);
    return forgotten.contains(hash) || keys.erased(user).isPresent()
        ? new UserState(limit)
        : state(hash);
  }

  private static void add(UserState state, UserEvent event) {
    synchronized (state) {
      state.add(event);
    }
  }

  private UserState state(String hash) {
    return users.computeIfAbsent(hash, unused -> new UserState(limit));
  }

  /** Forces the log and lets go of it and of the keys. */
  @Override
  public void close() {
    try (keys) {
      if (log != null) {
        log.close();
      }
    }
  }
}
