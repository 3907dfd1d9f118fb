package io.espalier.stores.redis;

import io.espalier.stores.users.UserStateException;
import io.lettuce.core.ClientOptions;
import io.lettuce.core.ClientOptions.DisconnectedBehavior;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisException;
import io.lettuce.core.SocketOptions;
import io.lettuce.core.SslOptions;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.api.async.RedisAsyncCommands;
import io.lettuce.core.codec.ByteArrayCodec;
import io.lettuce.core.codec.RedisCodec;
import io.lettuce.core.codec.StringCodec;
import io.lettuce.core.resource.ClientResources;
import io.lettuce.core.resource.Delay;
import java.io.File;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One connection that all requests share, made again for as long as it is wanted. While there is
 * none, and while too many answers are outstanding, commands are refused at once.
 */
final class Connection implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Connection.class);

  private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(2);
  private static final Duration LONGEST_PAUSE = Duration.ofMillis(500);

  /** Longer than the pauses that a server may make. */
  private static final Duration SILENCE = Duration.ofSeconds(10);

  /** A server that stands still costs no more memory than what these hold. */
  private static final int MAX_OUTSTANDING = 1024;

  private final RedisAddress address;
  private final ClientResources resources;
  private final RedisClient client;
  private final Duration silence;
  private final CountDownLatch first = new CountDownLatch(1);
  private final Thread connecting;
  private volatile @Nullable StatefulRedisConnection<String, byte[]> connection;

  Connection(RedisAddress address) {
    this(address, SILENCE);
  }

  /**
   * Begins to connect.
   *
   * @param silence after how long without an answer a connection is made anew
   */
  Connection(RedisAddress address, Duration silence) {
    this.address = address;
    this.silence = silence;
    this.resources =
        ClientResources.builder()
            .ioThreadPoolSize(2)
            .computationThreadPoolSize(2)
            .reconnectDelay(
                Delay.fullJitter(Duration.ofMillis(10), LONGEST_PAUSE, 10, TimeUnit.MILLISECONDS))
            .build();
    this.client = RedisClient.create(resources, address.uri(CONNECT_TIMEOUT));
    SslOptions.Builder ssl = SslOptions.builder().jdkSslProvider();
    if (!address.ca().isEmpty()) {
      ssl.trustManager(new File(address.ca()));
    }
    client.setOptions(
        ClientOptions.builder()
            .disconnectedBehavior(DisconnectedBehavior.REJECT_COMMANDS)
            // Else what was not answered is sent again over the next connection, when an erasure
            // may have come between.
            .replayFilter(command -> true)
            .requestQueueSize(MAX_OUTSTANDING)
            .socketOptions(SocketOptions.builder().connectTimeout(CONNECT_TIMEOUT).build())
            .sslOptions(ssl.build())
            .build());
    this.connecting = Thread.ofPlatform().daemon().name("redis-connect").start(this::keep);
  }

  /** Waits for the first connection, for a while: a server that is away comes later. */
  void awaitFirst() {
    awaitFirst(CONNECT_TIMEOUT);
  }

  /** The same, for who can do nothing without it. */
  void awaitFirst(Duration patience) {
    try {
      if (!first.await(patience.toMillis(), TimeUnit.MILLISECONDS)) {
        log.warn("{}: not there yet, going on without it", address);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void keep() {
    try {
      while (true) {
        StatefulRedisConnection<String, byte[]> made = connect();
        connection = made;
        first.countDown();
        log.info("{}: connected", address);
        awaitSilence(made);
        log.warn("{}: silent for {}, connecting anew", address, silence);
        connection = null;
        made.close();
      }
    } catch (InterruptedException e) {
      // Closed.
    }
  }

  private StatefulRedisConnection<String, byte[]> connect() throws InterruptedException {
    String last = "";
    while (true) {
      try {
        return client.connect(RedisCodec.of(StringCodec.UTF8, ByteArrayCodec.INSTANCE));
      } catch (RuntimeException e) {
        String reason = reason(e);
        if (!reason.equals(last)) {
          log.warn("{}: no connection, trying on: {}", address, reason);
          last = reason;
        }
      }
      Thread.sleep(LONGEST_PAUSE);
    }
  }

  /**
   * Returns once nothing was answered for too long. The client notices that a connection was
   * closed, and not that a host has gone without a word.
   */
  private void awaitSilence(StatefulRedisConnection<String, byte[]> made)
      throws InterruptedException {
    long answered = System.nanoTime();
    while (System.nanoTime() - answered < silence.toNanos()) {
      Thread.sleep(silence.dividedBy(10));
      try {
        made.async().ping().get(silence.toMillis() / 10, TimeUnit.MILLISECONDS);
        answered = System.nanoTime();
      } catch (TimeoutException | ExecutionException | RedisException e) {
        log.debug("{}: no answer to a ping: {}", address, reason(e));
      }
    }
  }

  /**
   * What sends commands.
   *
   * @throws UserStateException when there was no connection yet
   */
  RedisAsyncCommands<String, byte[]> commands() {
    StatefulRedisConnection<String, byte[]> there = connection;
    if (there == null) {
      throw UserStateException.failed(address + ": no connection", null);
    }
    return there.async();
  }

  /** The words of what is at the bottom of a failure. */
  static String reason(Throwable failure) {
    Throwable cause = failure;
    while (cause.getCause() != null) {
      cause = cause.getCause();
    }
    return cause.getMessage() == null ? cause.toString() : cause.getMessage();
  }

  @Override
  public void close() {
    connecting.interrupt();
    client.shutdown(0, 2, TimeUnit.SECONDS);
    resources.shutdown(0, 2, TimeUnit.SECONDS).awaitUninterruptibly(2, TimeUnit.SECONDS);
  }
}
