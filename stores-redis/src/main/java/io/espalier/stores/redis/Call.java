package io.espalier.stores.redis;

import io.espalier.stores.users.UserStateException;
import io.lettuce.core.RedisException;
import io.lettuce.core.api.async.RedisAsyncCommands;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;

/** A call of a store: when it ends, and what it has under way, which ends with it. */
final class Call implements AutoCloseable {
  private final RedisAddress address;
  private final Connection connection;
  private final Duration within;
  private final long end;
  private final List<Future<?>> started = new ArrayList<>();

  /** A command, sent and not waited for. */
  interface Command<T> extends Function<RedisAsyncCommands<String, byte[]>, Future<T>> {}

  Call(RedisAddress address, Connection connection, Duration within) {
    this.address = address;
    this.connection = connection;
    this.within = within;
    this.end = System.nanoTime() + within.toNanos();
  }

  /** The text of a script that the server runs. */
  static String script(String name) {
    try (InputStream in = Call.class.getResourceAsStream(name)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
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
    } catch (CancellationException e) {
      throw UserStateException.failed(address + ": the connection was lost before the answer", e);
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
