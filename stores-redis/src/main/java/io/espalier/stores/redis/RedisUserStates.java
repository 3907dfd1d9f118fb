package io.espalier.stores.redis;

import io.espalier.stores.users.EmbeddedUserStates;
import io.espalier.stores.users.EventKind;
import io.espalier.stores.users.UserEvent;
import io.espalier.stores.users.UserHash;
import io.espalier.stores.users.UserKeys;
import io.espalier.stores.users.UserStateException;
import io.espalier.stores.users.UserStateStore;
import io.lettuce.core.Range;
import io.lettuce.core.Range.Boundary;
import io.lettuce.core.ScoredValue;
import io.lettuce.core.ScriptOutputType;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Users' events on a server that routers share, over what this process knows of the users from a
 * data folder.
 *
 * <p>Of each user there are two sorted sets of events and two of event ids, which a script changes
 * in one step. A look-up is one round trip. Nothing is tried twice and nobody waits longer than he
 * said; a server that is away is looked for until it is back.
 */
public final class RedisUserStates implements UserStateStore {
  private static final Logger log = LoggerFactory.getLogger(RedisUserStates.class);
  private static final String RECORD = Call.script("record.lua");
  private static final Duration LOOK = Duration.ofSeconds(1);
  // A look and the clock of the server may meet in the middle of a millisecond.
  private static final int OVERLAP_MILLIS = 1000;

  private final EmbeddedUserStates known;
  private final RedisAddress address;
  private final Connection connection;
  private final RedisUserKeys keys;
  private final byte[] limit;
  private final List<Consumer<String>> listeners = new CopyOnWriteArrayList<>();
  private final Thread looking;

  private RedisUserStates(RedisAddress address, EmbeddedUserStates known, int limit) {
    this.known = known;
    this.address = address;
    this.limit = bytes(limit);
    this.connection = new Connection(address);
    this.keys = new RedisUserKeys(address, connection);
    this.looking = Thread.ofVirtual().name("redis-erasures").start(this::lookForErasures);
  }

  /**
   * Opens the store; a server that is away is no error.
   *
   * @param known what is known of the users besides; closed with this store
   * @param limit events kept of each user and kind group
   */
  public static RedisUserStates open(RedisAddress address, EmbeddedUserStates known, int limit) {
    RedisUserStates opened = new RedisUserStates(address, known, limit);
    opened.connection.awaitFirst();
    return opened;
  }

  private Call call(Duration within) {
    return new Call(address, connection, within);
  }

  @Override
  public Recorded record(String user, List<UserEvent> events, Duration within) {
    UserEvent.checkUser(user);
    List<byte[]> arguments = new ArrayList<>(1 + 3 * events.size());
    arguments.add(limit);
    for (UserEvent event : events) {
      arguments.add(bytes(event.kind() == EventKind.IMPRESSION ? 2 : 1));
      arguments.add(EventCodec.text(event.eventId()));
      arguments.add(EventCodec.encode(event));
    }
    try (Call call = call(within)) {
      Future<List<Long>> asked =
          call.start(
              commands ->
                  commands.eval(
                      RECORD,
                      ScriptOutputType.MULTI,
                      UserPlaces.ofEvents(user),
                      arguments.toArray(byte[][]::new)));
      List<Long> counts = call.get(asked);
      int fresh = Math.toIntExact(counts.getFirst());
      int erased = Math.toIntExact(counts.getLast());
      return new Recorded(fresh, events.size() - fresh - erased, erased);
    }
  }

  @Override
  public List<UserEvent> recent(String user, Set<EventKind> kinds, int max, Duration within) {
    if (max <= 0) {
      return List.of();
    }
    boolean all = kinds.containsAll(INTERACTIONS);
    try (Call call = call(within)) {
      // All are on their way before the first is waited for: one round trip.
      List<Future<List<byte[]>>> asked = new ArrayList<>();
      if (all || kinds.stream().anyMatch(INTERACTIONS::contains)) {
        // Which of them are of the kinds shows here.
        asked.add(
            call.start(newest(UserPlaces.INTERACTIONS.of(user), all ? max : Integer.MAX_VALUE)));
      }
      if (kinds.contains(EventKind.IMPRESSION)) {
        asked.add(call.start(newest(UserPlaces.IMPRESSIONS.of(user), max)));
      }
      Future<Long> erased =
          known.knows(user)
              ? call.start(commands -> commands.exists(UserPlaces.ERASED.of(user)))
              : CompletableFuture.completedFuture(1L);
      List<UserEvent> found = new ArrayList<>();
      for (Future<List<byte[]>> answer : asked) {
        for (byte[] bytes : call.get(answer)) {
          UserEvent event = decode(bytes);
          if (kinds.contains(event.kind())) {
            found.add(event);
          }
        }
      }
      if (call.get(erased) == 0) {
        found.addAll(known.recent(user, kinds, max, within));
      }
      found.sort(UserEvent.ORDER);
      return List.copyOf(found.subList(Math.max(0, found.size() - max), found.size()));
    }
  }

  private static Call.Command<List<byte[]>> newest(String key, int max) {
    return commands -> commands.zrange(key, -(long) max, -1);
  }

  private UserEvent decode(byte[] bytes) {
    try {
      return EventCodec.decode(bytes);
    } catch (IOException e) {
      throw UserStateException.failed(address + ": an event cannot be read: " + e.getMessage(), e);
    }
  }

  @Override
  public UserKeys keys() {
    return keys;
  }

  /** {@inheritDoc} */
  @Override
  public void erase(String user, Instant at, Duration within) {
    UserEvent.checkUser(user);
    try (Call call = call(within)) {
      Erasure.run(call, user, at);
    }
    known.erase(user, at, within);
    forget(UserHash.of(user));
  }

  /** {@inheritDoc} Of erasures by other processes it hears within a second or so. */
  @Override
  public void onErasure(Consumer<String> forget) {
    listeners.add(forget);
  }

  private void forget(String hash) {
    listeners.forEach(listener -> listener.accept(hash));
  }

  /**
   * Looks every second who was erased since. A router that was cut off for less than a day hears of
   * all of it later.
   */
  private void lookForErasures() {
    // By the server's clock; before the first look nothing is kept of anyone.
    double since = Double.NaN;
    Map<String, Double> told = new HashMap<>();
    String problem = "";
    try {
      while (true) {
        try (Call call = call(LOOK)) {
          if (Double.isNaN(since)) {
            since = 1000 * Double.parseDouble(text(call.get(call.start(c -> c.time())).getFirst()));
          }
          double from = since - OVERLAP_MILLIS;
          told.values().removeIf(score -> score < from);
          Range<Double> range = Range.from(Boundary.including(from), Boundary.unbounded());
          for (ScoredValue<byte[]> erased :
              call.get(call.start(c -> c.zrangebyscoreWithScores(UserPlaces.ERASURES, range)))) {
            String hash = text(erased.getValue());
            if (!Objects.equals(told.put(hash, erased.getScore()), erased.getScore())) {
              forget(hash);
            }
            since = Math.max(since, erased.getScore());
          }
          problem = "";
        } catch (UserStateException e) {
          if (!e.toString().equals(problem)) {
            problem = e.toString();
            log.warn("who is erased elsewhere is not known at present: {}", e.getMessage());
          }
        }
        Thread.sleep(LOOK);
      }
    } catch (InterruptedException e) {
      // Closed.
    }
  }

  private static String text(byte[] bytes) {
    return new String(bytes, StandardCharsets.US_ASCII);
  }

  private static byte[] bytes(int number) {
    return Integer.toString(number).getBytes(StandardCharsets.US_ASCII);
  }

  /** Lets go of the server, and closes what was known besides. */
  @Override
  public void close() {
    looking.interrupt();
    connection.close();
    known.close();
  }
}
