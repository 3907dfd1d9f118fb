package io.espalier.router;

import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.RouterServiceGrpc.RouterServiceBlockingStub;
import io.espalier.server.ClientChannels;
import io.espalier.server.EspalierServer;
import io.espalier.server.ServerConfig;
import io.espalier.stores.users.EmbeddedUserStates;
import io.espalier.stores.users.UserStateStore;
import io.grpc.ManagedChannel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Instant;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;

/** A router behind the whole server stack, in process, over stages that a test scripts. */
final class RunningRouter implements AutoCloseable {
  final FakeStages stages = new FakeStages();
  final UserStateStore users;
  final AtomicReference<Instant> now = new AtomicReference<>(Instant.parse("2026-01-01T00:00:00Z"));
  final EspalierServer server;
  final ManagedChannel channel;

  RunningRouter(UnaryOperator<RouterComponent.Builder> composition, String... routes) {
    this(EmbeddedUserStates.inMemory(100), composition, routes);
  }

  RunningRouter(
      UserStateStore users, UnaryOperator<RouterComponent.Builder> composition, String... routes) {
    this(ServerConfig.defaults(), users, composition, routes);
  }

  RunningRouter(ServerConfig config, String... routes) {
    this(config, EmbeddedUserStates.inMemory(100), builder -> builder, routes);
  }

  private RunningRouter(
      ServerConfig config,
      UserStateStore users,
      UnaryOperator<RouterComponent.Builder> composition,
      String... routes) {
    this.users = users;
    RouterComponent.Builder builder =
        RouterComponent.builder(stages.channels(), users).clock(now::get);
    for (String route : routes) {
      builder.route(route, "test.yaml");
    }
    RouterComponent component = composition.apply(builder).build();
    try {
      server =
          component
              .install(EspalierServer.builder("router", config))
              .buildInProcess(UUID.randomUUID().toString())
              .start();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    channel = ClientChannels.open(server.target());
  }

  RunningRouter(String... routes) {
    this(builder -> builder, routes);
  }

  RouterServiceBlockingStub stub() {
    return RouterServiceGrpc.newBlockingStub(channel).withDeadlineAfter(60, TimeUnit.SECONDS);
  }

  @Override
  public void close() {
    channel.shutdownNow();
    server.close();
    stages.close();
    users.close();
  }
}
