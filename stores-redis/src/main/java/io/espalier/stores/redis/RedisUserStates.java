package io.espalier.stores.redis;

import io.espalier.stores.users.EmbeddedUserStates;
import io.espalier.stores.users.EventKind;
import io.espalier.stores.users.UserEvent;
import io.espalier.stores.users.UserStateException;
import io.espalier.stores.users.UserStateStore;
import io.lettuce.core.RedisException;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.api.async.RedisAsyncCommands;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;

/**
 * Users' events on a server that routers share, over what this process knows of the users from a
 * data folder.
 *
 * <p>Of each user there are two sorted sets of events and two of event ids, which a script changes
 * in one step. A look-up is one round trip. Nothing is tried twice and nobody waits longer than he
 * said; a server that is away is looked for until it is back.
 */
public final class RedisUserStates implements UserStateStore {
  private static final String PREFIX = "espalier:1:{";
  private static final String RECORD = script();

  private final EmbeddedUserStates known;
  private final RedisAddress address;
  private final Connection connection;
  private final byte[] limit;

  private RedisUserStates(RedisAddress address, EmbeddedUserStates known, int limit) {
    this.known = known;
    this.address = address;
    this.limit = bytes(limit);
    this.connection = new Connection(address);
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

  private static String script() {
    try (InputStream in = RedisUserStates.class.getResourceAsStream("record.lua")) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A user's keys. Their braces keep them together where keys are spread over servers. */
  private enum Key {
    INTERACTIONS,
    IMPRESSIONS,
    INTERACTION_IDS,
    IMPRESSION_IDS,
    /** There where the user was erased: a data folder must not bring him back. */
    ERASED;

    String of(String user) {
      return PREFIX + user + "}:" + name().toLowerCase(Locale.ROOT);
    }

    /** In the order in which the script takes them. */
    static String[] ofEvents(String user) {
      return new String[] {
        INTERACTIONS.of(user),
        IMPRESSIONS.of(user),
        INTERACTION_IDS.of(user),
        IMPRESSION_IDS.of(user)
      };
    }
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
    try (Call call = new Call(within)) {
      Future<Long> asked =
          call.start(
              commands ->
                  commands.eval(
                      RECORD,
                      ScriptOutputType.INTEGER,
                      Key.ofEvents(user),
                      arguments.toArray(byte[][]::new)));
      int fresh = Math.toIntExact(call.get(asked));
      return new Recorded(fresh, events.size() - fresh);
    }
  }

  @Override
  public List<UserEvent> recent(String user, Set<EventKind> kinds, int max, Duration within) {
    if (max <= 0) {
      return List.of();
    }
    boolean all = kinds.containsAll(INTERACTIONS);
    try (Call call = new Call(within)) {
      // All are on their way before the first is waited for: one round trip.
      List<Future<List<byte[]>>> asked = new ArrayList<>();
      if (all || kinds.stream().anyMatch(INTERACTIONS::contains)) {
        // Which of them are of the kinds shows here.
        asked.add(call.start(newest(Key.INTERACTIONS.of(user), all ? max : Integer.MAX_VALUE)));
      }
      if (kinds.contains(EventKind.IMPRESSION)) {
        asked.add(call.start(newest(Key.IMPRESSIONS.of(user), max)));
      }
      Future<Long> erased =
          known.knows(user)
              ? call.start(commands -> commands.exists(Key.ERASED.of(user)))
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

  private static Command<List<byte[]>> newest(String key, int max) {
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
  public void erase(String user, Duration within) {
    UserEvent.checkUser(user);
    try (Call call = new Call(within)) {
      // The mark first: should the rest fail, he may be erased again.
      Future<String> marked =
          known.knows(user)
              ? call.start(commands -> commands.set(Key.ERASED.of(user), new byte[0]))
              : CompletableFuture.completedFuture("");
      Future<Long> removed = call.start(commands -> commands.unlink(Key.ofEvents(user)));
      call.get(marked);
      call.get(removed);
    }
    known.erase(user, within);
  }

  private static byte[] bytes(int number) {
    return Integer.toString(number).getBytes(StandardCharsets.US_ASCII);
  }

  /** Lets go of the server, and closes what was known besides. */
  @Override
  public void close() {
    connection.close();
    known.close();
  }

  private interface Command<T> extends Function<RedisAsyncCommands<String, byte[]>, Future<T>> {}

  /** A call of this store: when it ends, and what it has under way, which ends with it. */
  private final class Call implements AutoCloseable {
    private final Duration within;
    private final long end;
    private final List<Future<?>> started = new ArrayList<>();

    Call(Duration within) {
      this.within = within;
      this.end = System.nanoTime() + within.toNanos();
    }

    <T> Future<T> start(Command<T> command) {
      try {
        Future<T> future = command.apply(connection.commands());
        started.add(future);
        return future;
      } catch (RedisException e) {
        throw failed(e);
      }
    }

    <T> T get(Future<T> future) {
      try {
        return future.get(Math.max(0, end - System.nanoTime()), TimeUnit.NANOSECONDS);
      } catch (TimeoutException e) {
        throw UserStateException.late(
            "%s: no answer (expected: one within %d ms)".formatted(address, within.toMillis()), e);
      } catch (ExecutionException e) {
        throw failed(e);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw failed(e);
      }
    }

    private UserStateException failed(Exception e) {
      return UserStateException.failed(address + ": " + Connection.reason(e), e);
    }

    @Override
    public void close() {
      started.forEach(future -> future.cancel(true));
    }
  }
}
