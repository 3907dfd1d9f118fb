package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.google.common.util.concurrent.ListenableFuture;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelSpec.TensorSpec;
import io.espalier.inference.Tensor;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import io.espalier.router.StageChannels;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RecommendResponse;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.User;
import io.espalier.server.ClientChannels;
import io.espalier.server.EspalierServer;
import io.espalier.server.ServerConfig;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.stores.users.EmbeddedUserStates;
import io.espalier.stores.users.EventKind;
import io.espalier.stores.users.UserEvent;
import io.grpc.ManagedChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Clients of a router that hang up while their requests wait for a model, with every hop over TCP:
 * the model's queue is free of them at once.
 */
class HangUpIT {
  private static final Path ROOT = Path.of(System.getProperty("espalier.root"));
  private static final int CLIENTS = 20;
  private static final int ROUNDS = 5;

  @TempDir Path folder;
  private final Deque<AutoCloseable> open = new ArrayDeque<>();

  @AfterEach
  void close() throws Exception {
    while (!open.isEmpty()) {
      open.pop().close();
    }
  }

  @Test
  void recommend_clientsHangUp_leaveTheModelsQueue() throws Exception {
    DataFolder data = DataFolder.open(BuiltInShop.folder(ROOT));
    BundleRepository repository = BundleRepository.open(ROOT.resolve("model-repo"));
    StageServers servers =
        new StageServers(Deployment.of(repository, data), folder.resolve("none"));
    EmbeddedModelRunner runner = (EmbeddedModelRunner) servers.runner();
    open.push(runner);
    LoadedModels models = servers.engine(runner);
    BundleAdmin admin = servers.bundleAdmin();
    AutoCloseable nothing = () -> {};
    ManagedChannel rewrite = to(servers.rewrite(ServerConfig.defaults(), models, nothing, admin));
    ManagedChannel retrieval =
        to(servers.retrieval(ServerConfig.defaults(), models, nothing, null, admin));
    ManagedChannel ranking = to(servers.ranking(ServerConfig.defaults(), models, nothing, admin));
    EmbeddedUserStates users = EmbeddedUserStates.inMemory(100);
    users.record(
        "u",
        List.of(
            new UserEvent(
                "1",
                data.items().getFirst().id(),
                EventKind.CLICK,
                Instant.EPOCH,
                "",
                OptionalInt.empty())),
        Duration.ofSeconds(5));
    ManagedChannel router =
        to(
            servers.router(
                ServerConfig.defaults(),
                new StageChannels(rewrite, retrieval, ranking),
                users,
                null));
    String model =
        String.valueOf(
            repository.get(BundleId.parse("shop-tiger@1")).manifest().models().get("prefill"));
    assertThat(ask(router).get(60, TimeUnit.SECONDS).getPage().getDegradationsList()).isEmpty();
    List<Long> freed = new ArrayList<>();
    for (int round = 0; round < ROUNDS; round++) {
      try (Busy held = new Busy(runner, model)) {
        List<ListenableFuture<RecommendResponse>> asked = new ArrayList<>();
        for (int i = 0; i < CLIENTS; i++) {
          asked.add(ask(router));
        }
        // The other sources have been answered by then.
        await().atMost(Duration.ofMinutes(1)).until(() -> runner.inFlight() == CLIENTS);
        long start = System.nanoTime();
        asked.forEach(call -> call.cancel(true));
        await()
            .pollDelay(Duration.ZERO)
            .pollInterval(Duration.ofMillis(1))
            .atMost(Duration.ofMinutes(1))
            .until(() -> runner.inFlight() == 0);
        freed.add(System.nanoTime() - start);
      }
    }
    System.out.printf(
        "%d clients hang up: the queue is free of them after %s ms%n",
        CLIENTS, freed.stream().map(nanos -> "%.1f".formatted(nanos / 1e6)).toList());
    assertThat(ask(router).get(60, TimeUnit.SECONDS).getPage().getItemsCount()).isPositive();
  }

  private static ListenableFuture<RecommendResponse> ask(ManagedChannel router) {
    return RouterServiceGrpc.newFutureStub(router)
        .withDeadlineAfter(60, TimeUnit.SECONDS)
        .recommend(RecommendRequest.newBuilder().setUser(User.newBuilder().setId("u")).build());
  }

  private ManagedChannel to(EspalierServer.Builder builder) throws Exception {
    EspalierServer server = builder.build().start();
    open.push(server);
    ManagedChannel channel = ClientChannels.open(server.target());
    open.push(channel::shutdownNow);
    return channel;
  }

  /** Keeps the one worker of a model: what hangs on a result runs on the worker that made it. */
  private static final class Busy implements AutoCloseable {
    private final CountDownLatch release = new CountDownLatch(1);

    Busy(EmbeddedModelRunner runner, String model) throws InterruptedException {
      Map<String, Tensor> zeros = new HashMap<>();
      for (TensorSpec input : runner.spec(model).inputs()) {
        long[] shape = new long[input.dims().size() + 1];
        shape[0] = 1;
        for (int i = 0; i < input.dims().size(); i++) {
          shape[i + 1] = Math.max(1, input.dims().get(i));
        }
        zeros.put(
            input.name(), Tensor.wrap(input.type(), Tensor.allocate(input.type(), shape), shape));
      }
      CountDownLatch held = new CountDownLatch(1);
      Thread here = Thread.currentThread();
      while (held.getCount() > 0) {
        CountDownLatch tried = new CountDownLatch(1);
        var unused =
            runner
                .infer(
                    new ModelCall(model, zeros, System.nanoTime() + TimeUnit.MINUTES.toNanos(10)))
                .whenComplete(
                    (outputs, error) -> {
                      // It may have been there before this was hung on it.
                      if (error == null && Thread.currentThread() != here) {
                        held.countDown();
                        tried.countDown();
                        awaitRelease();
                      }
                      tried.countDown();
                    });
        tried.await();
      }
    }

    private void awaitRelease() {
      try {
        release.await();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }

    @Override
    public void close() {
      release.countDown();
    }
  }
}
