package io.espalier.router;

import com.google.common.util.concurrent.ListenableFuture;
import io.espalier.bundles.BundleId;
import io.espalier.server.RequestException;
import io.grpc.Channel;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * Asks every replica of the stages whether it has the bundles ready that routes name: by gRPC's
 * health, which knows each as {@code name@version}.
 */
final class StageReadiness {
  private static final Duration PATIENCE = Duration.ofSeconds(5);

  private final StageReplicas replicas;

  StageReadiness(StageReplicas replicas) {
    this.replicas = replicas;
  }

  private record Asked(
      String stage,
      String replica,
      BundleId bundle,
      ListenableFuture<HealthCheckResponse> answer) {}

  /**
   * Returns when all of them have all bundles ready.
   *
   * @throws RequestException FAILED_PRECONDITION that says which does not have which
   */
  void require(Collection<RoutePlan> plans) {
    Set<BundleId> rewriters = new TreeSet<>();
    Set<BundleId> sources = new TreeSet<>();
    Set<BundleId> rankers = new TreeSet<>();
    for (RoutePlan plan : plans) {
      for (Route route : plan.routes()) {
        route.rewriters().forEach(rewriter -> rewriters.add(rewriter.bundle()));
        route.sources().forEach(source -> sources.add(source.bundle()));
        if (route.ranking() != null) {
          rankers.add(route.ranking().bundle());
        }
      }
    }
    List<Asked> asked = new ArrayList<>();
    List<String> missing = new ArrayList<>();
    ask("rewrite", replicas.rewrite(), rewriters, asked, missing);
    ask("retrieval", replicas.retrieval(), sources, asked, missing);
    ask("ranking", replicas.ranking(), rankers, asked, missing);
    for (Asked one : asked) {
      String state = state(one.answer());
      if (!state.equals(ServingStatus.SERVING.name())) {
        missing.add("%s: %s at %s %s".formatted(one.bundle(), state, one.stage(), one.replica()));
      }
    }
    if (!missing.isEmpty()) {
      throw RequestException.failedPrecondition(
          "routes: %s (expected: SERVING at every replica)".formatted(String.join("; ", missing)));
    }
  }

  private static void ask(
      String stage,
      Supplier<Map<String, Channel>> replicas,
      Set<BundleId> bundles,
      List<Asked> asked,
      List<String> missing) {
    if (bundles.isEmpty()) {
      return;
    }
    Map<String, Channel> all = replicas.get();
    if (all.isEmpty()) {
      missing.add("no replica of " + stage + " is known");
    }
    // Beyond the caller's own patience: he is told which replica does not answer.
    Context.ROOT.run(
        () ->
            all.forEach(
                (replica, channel) -> {
                  HealthGrpc.HealthFutureStub health =
                      HealthGrpc.newFutureStub(channel)
                          .withWaitForReady()
                          .withDeadlineAfter(PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
                  for (BundleId bundle : bundles) {
                    asked.add(
                        new Asked(
                            stage,
                            replica,
                            bundle,
                            health.check(
                                HealthCheckRequest.newBuilder()
                                    .setService(bundle.toString())
                                    .build())));
                  }
                }));
  }

  private static String state(ListenableFuture<HealthCheckResponse> answer) {
    try {
      return answer.get().getStatus().name();
    } catch (ExecutionException e) {
      Status.Code code =
          e.getCause() instanceof StatusRuntimeException refused
              ? refused.getStatus().getCode()
              : Status.Code.INTERNAL;
      return code == Status.Code.NOT_FOUND ? "not loaded" : code.name();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return Status.Code.CANCELLED.name();
    }
  }
}
