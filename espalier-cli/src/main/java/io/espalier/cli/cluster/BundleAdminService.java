package io.espalier.cli.cluster;

import io.espalier.admin.v1.BundleAdminServiceGrpc;
import io.espalier.admin.v1.BundleState;
import io.espalier.admin.v1.BundleStatus;
import io.espalier.admin.v1.ListBundlesRequest;
import io.espalier.admin.v1.ListBundlesResponse;
import io.espalier.admin.v1.LoadBundleRequest;
import io.espalier.admin.v1.LoadBundleResponse;
import io.espalier.admin.v1.UnloadBundleRequest;
import io.espalier.admin.v1.UnloadBundleResponse;
import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.ServedBundle;
import io.espalier.server.Deadlines;
import io.espalier.server.RequestException;
import io.grpc.stub.StreamObserver;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** The bundle versions of the stages in this process over gRPC, for whoever operates them. */
final class BundleAdminService extends BundleAdminServiceGrpc.BundleAdminServiceImplBase {
  private static final Duration QUIET = Duration.ofSeconds(2);
  private static final long MOST_QUIET_MS = 600_000;
  private static final Duration PATIENCE = Duration.ofSeconds(30);

  private final BundleAdmin bundles;

  BundleAdminService(BundleAdmin bundles) {
    this.bundles = bundles;
  }

  @Override
  public void loadBundle(LoadBundleRequest request, StreamObserver<LoadBundleResponse> observer) {
    BundleId id = id(request.getBundle(), request.getVersion());
    long start = System.nanoTime();
    LoadBundleResponse.Builder response = LoadBundleResponse.newBuilder();
    try {
      bundles.load(id, request.getStage()).forEach(stage -> response.addStages(stage.toString()));
    } catch (BundleException e) {
      throw bundles.isKnown(id)
          ? RequestException.failedPrecondition(String.valueOf(e.getMessage()))
          : RequestException.notFound(String.valueOf(e.getMessage()));
    }
    observer.onNext(
        response.setTookMs(TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start)).build());
    observer.onCompleted();
  }

  @Override
  public void unloadBundle(
      UnloadBundleRequest request, StreamObserver<UnloadBundleResponse> observer) {
    BundleId id = id(request.getBundle(), request.getVersion());
    long quietMillis = request.getQuietMs();
    if (quietMillis < 0 || quietMillis > MOST_QUIET_MS) {
      throw RequestException.invalidArgument(
          "quiet_ms: %d (expected: 0..%d)".formatted(quietMillis, MOST_QUIET_MS));
    }
    Duration quiet = quietMillis == 0 ? QUIET : Duration.ofMillis(quietMillis);
    Duration left = Deadlines.remaining().orElse(PATIENCE);
    BundleAdmin.Unloaded unloaded;
    try {
      unloaded =
          bundles.unload(
              id,
              request.getStage(),
              request.getForce() ? Duration.ZERO : quiet,
              // So that the caller hears why.
              left.multipliedBy(3).dividedBy(4));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw RequestException.unavailable("the server is stopping");
    }
    UnloadBundleResponse.Builder response =
        UnloadBundleResponse.newBuilder().setClosed(unloaded.closed());
    unloaded.stages().forEach(stage -> response.addStages(stage.toString()));
    observer.onNext(response.build());
    observer.onCompleted();
  }

  @Override
  public void listBundles(
      ListBundlesRequest request, StreamObserver<ListBundlesResponse> observer) {
    ListBundlesResponse.Builder response = ListBundlesResponse.newBuilder();
    for (BundleAdmin.Status status : bundles.status()) {
      ServedBundle bundle = status.bundle();
      response.addBundles(
          BundleStatus.newBuilder()
              .setBundle(bundle.id().name())
              .setVersion(bundle.id().version())
              .setStage(status.stage().toString())
              .setState(state(bundle.state()))
              .setCurrent(bundle.current())
              .setUsers(bundle.users())
              .setIdleMs(bundle.idle().toMillis())
              .setFailure(bundle.failure()));
    }
    observer.onNext(response.build());
    observer.onCompleted();
  }

  private static BundleState state(ServedBundle.State state) {
    return switch (state) {
      case LOADING -> BundleState.BUNDLE_STATE_LOADING;
      case FAILED -> BundleState.BUNDLE_STATE_FAILED;
      case SERVING -> BundleState.BUNDLE_STATE_SERVING;
      case DRAINING -> BundleState.BUNDLE_STATE_DRAINING;
    };
  }

  private static BundleId id(String name, int version) {
    try {
      return new BundleId(name, version);
    } catch (IllegalArgumentException e) {
      throw RequestException.invalidArgument(String.valueOf(e.getMessage()));
    }
  }
}
