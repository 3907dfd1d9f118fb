package io.espalier.router;

import io.espalier.admin.v1.AbortCanaryRequest;
import io.espalier.admin.v1.AbortCanaryResponse;
import io.espalier.admin.v1.ApplyRoutesRequest;
import io.espalier.admin.v1.ApplyRoutesResponse;
import io.espalier.admin.v1.ArmShare;
import io.espalier.admin.v1.ListRoutesRequest;
import io.espalier.admin.v1.ListRoutesResponse;
import io.espalier.admin.v1.PromoteCanaryRequest;
import io.espalier.admin.v1.PromoteCanaryResponse;
import io.espalier.admin.v1.RevisionInfo;
import io.espalier.admin.v1.RollBackRoutesRequest;
import io.espalier.admin.v1.RollBackRoutesResponse;
import io.espalier.admin.v1.RouteAdminServiceGrpc;
import io.espalier.admin.v1.RouteStatus;
import io.espalier.admin.v1.StartCanaryRequest;
import io.espalier.admin.v1.StartCanaryResponse;
import io.espalier.bundles.BundleId;
import io.espalier.server.ConfigFile;
import io.espalier.server.RequestException;
import io.grpc.stub.StreamObserver;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/** The routes over gRPC, for whoever operates the router. */
final class RouteAdminService extends RouteAdminServiceGrpc.RouteAdminServiceImplBase {
  private final LiveRoutes routes;

  RouteAdminService(LiveRoutes routes) {
    this.routes = routes;
  }

  @Override
  public void listRoutes(ListRoutesRequest request, StreamObserver<ListRoutesResponse> observer) {
    LiveRoutes.Revision now = routes.now();
    ListRoutesResponse.Builder response = ListRoutesResponse.newBuilder().setRevision(now.number());
    for (RoutePlan plan : now.table().plans()) {
      RouteStatus.Builder status =
          RouteStatus.newBuilder()
              .setName(plan.name())
              .setYaml(ConfigFile.print(plan.file()))
              .addAllBundles(plan.bundles().stream().map(BundleId::toString).toList());
      for (RoutePlan.Arm arm : plan.arms()) {
        if (!arm.name().isEmpty()) {
          status.addArms(ArmShare.newBuilder().setName(arm.name()).setShare(plan.share(arm)));
        }
      }
      response.addRoutes(status);
    }
    for (LiveRoutes.Revision earlier : routes.earlier()) {
      response.addEarlier(
          RevisionInfo.newBuilder()
              .setRevision(earlier.number())
              .setAppliedMs(earlier.applied().toEpochMilli())
              .setChange(earlier.change()));
    }
    answer(observer, response.build());
  }

  @Override
  public void applyRoutes(
      ApplyRoutesRequest request, StreamObserver<ApplyRoutesResponse> observer) {
    if (request.getRoutesCount() == 0 && request.getRemoveCount() == 0) {
      throw RequestException.invalidArgument("routes: none (expected: at least one change)");
    }
    Map<String, String> files = new LinkedHashMap<>();
    for (int i = 0; i < request.getRoutesCount(); i++) {
      String source = request.getRoutes(i).getSource();
      String name = source.isBlank() ? "routes[" + i + "]" : source;
      if (files.put(name, request.getRoutes(i).getYaml()) != null) {
        throw RequestException.invalidArgument(
            "routes: source %s twice (expected: each once)".formatted(name));
      }
    }
    UnaryOperator<List<RoutePlan>> edit = RouteEdits.replace(files, request.getRemoveList());
    if (request.getDryRun()) {
      routes.checked(request.getExpectedRevision(), edit);
      answer(observer, ApplyRoutesResponse.newBuilder().setRevision(now()).build());
      return;
    }
    List<String> words = new ArrayList<>();
    if (!files.isEmpty()) {
      words.add("applied " + String.join(", ", files.keySet()));
    }
    if (request.getRemoveCount() > 0) {
      words.add("removed " + String.join(", ", request.getRemoveList()));
    }
    answer(
        observer,
        ApplyRoutesResponse.newBuilder()
            .setRevision(change(String.join("; ", words), request.getExpectedRevision(), edit))
            .build());
  }

  private long now() {
    return routes.now().number();
  }

  private long change(String words, long expected, UnaryOperator<List<RoutePlan>> edit) {
    return routes.change(words, expected, edit).number();
  }

  @Override
  public void rollBackRoutes(
      RollBackRoutesRequest request, StreamObserver<RollBackRoutesResponse> observer) {
    if (request.getRevision() < 0) {
      throw RequestException.invalidArgument(
          "revision: %d (expected: >= 0)".formatted(request.getRevision()));
    }
    LiveRoutes.Return back = routes.rollBack(request.getRevision(), request.getExpectedRevision());
    answer(
        observer,
        RollBackRoutesResponse.newBuilder()
            .setRevision(back.holds().number())
            .setRestored(back.restored())
            .build());
  }

  @Override
  public void startCanary(
      StartCanaryRequest request, StreamObserver<StartCanaryResponse> observer) {
    List<BundleId> bundles = new ArrayList<>();
    for (String bundle : request.getBundlesList()) {
      try {
        bundles.add(BundleId.parse(bundle));
      } catch (IllegalArgumentException e) {
        throw RequestException.invalidArgument("bundles: " + e.getMessage());
      }
    }
    long revision =
        change(
            "canary of %s: %s of the users to %s"
                .formatted(request.getRoute(), request.getShare(), bundles),
            request.getExpectedRevision(),
            RouteEdits.start(request.getRoute(), request.getShare(), bundles));
    answer(observer, StartCanaryResponse.newBuilder().setRevision(revision).build());
  }

  @Override
  public void promoteCanary(
      PromoteCanaryRequest request, StreamObserver<PromoteCanaryResponse> observer) {
    long revision =
        change(
            "canary of " + request.getRoute() + " promoted",
            request.getExpectedRevision(),
            RouteEdits.promote(request.getRoute()));
    answer(observer, PromoteCanaryResponse.newBuilder().setRevision(revision).build());
  }

  @Override
  public void abortCanary(
      AbortCanaryRequest request, StreamObserver<AbortCanaryResponse> observer) {
    long revision =
        change(
            "canary of " + request.getRoute() + " aborted",
            request.getExpectedRevision(),
            RouteEdits.abort(request.getRoute()));
    answer(observer, AbortCanaryResponse.newBuilder().setRevision(revision).build());
  }

  private static <T> void answer(StreamObserver<T> observer, T answer) {
    observer.onNext(answer);
    observer.onCompleted();
  }
}
