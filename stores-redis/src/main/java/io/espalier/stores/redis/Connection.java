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
import java.util.concurrent.TimeUnit;
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

  /** A server that stands still costs no more memory than what these hold. */
  private static final int MAX_OUTSTANDING = 1024;

  private final RedisAddress address;
  private final ClientResources resources;
  private final RedisClient client;
  private final Thread connecting;
  private volatile @Nullable StatefulRedisConnection<String, byte[]> connection;

  Connection(RedisAddress address) {
    this.address = address;
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
            .requestQueueSize(MAX_OUTSTANDING)
            .socketOptions(SocketOptions.builder().connectTimeout(CONNECT_TIMEOUT).build())
            .sslOptions(ssl.build())
            .build());
    this.connecting = Thread.ofPlatform().daemon().name("redis-connect").start(this::connect);
  }

  /** Waits for the first connection, for a while: a server that is away comes later. */
  void awaitFirst() {
    try {
      connecting.join(CONNECT_TIMEOUT);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void connect() {
    String last = "";
    while (!Thread.currentThread().isInterrupted()) {
      try {
        connection = client.connect(RedisCodec.of(StringCodec.UTF8, ByteArrayCodec.INSTANCE));
        log.info("{}: connected", address);
        return;
      } catch (RedisException e) {
        String reason = reason(e);
        if (!reason.equals(last)) {
          log.warn("{}: no connection, trying on: {}", address, reason);
          last = reason;
        }
      }
      try {
        Thread.sleep(LONGEST_PAUSE);
      } catch (InterruptedException e) {
        return;
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
