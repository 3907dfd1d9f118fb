package io.espalier.loadtest.live;

import io.espalier.admin.v1.ApplyRoutesRequest;
import io.espalier.admin.v1.BundleAdminServiceGrpc;
import io.espalier.admin.v1.BundleAdminServiceGrpc.BundleAdminServiceBlockingStub;
import io.espalier.admin.v1.LoadBundleRequest;
import io.espalier.admin.v1.RollBackRoutesRequest;
import io.espalier.admin.v1.RouteAdminServiceGrpc;
import io.espalier.admin.v1.RouteAdminServiceGrpc.RouteAdminServiceBlockingStub;
import io.espalier.admin.v1.RouteFile;
import io.espalier.admin.v1.UnloadBundleRequest;
import io.espalier.server.BackgroundThread;
import io.grpc.Channel;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Puts one version of the bundle in the place of the other, again and again: loads it beside the
 * other, changes the route, and takes the other out once it is quiet. Every so often the route goes
 * back instead, and what was loaded is taken out.
 */
final class Switches {
  private static final Duration DEADLINE = Duration.ofMinutes(2);
  private static final int SECOND = 2;

  private final BundleAdminServiceBlockingStub retrieval;
  private final BundleAdminServiceBlockingStub writer;
  private final RouteAdminServiceBlockingStub router;
  private final Events events;
  private final int rollbackEvery;
  private final Duration quiet;
  private final Duration pause;
  private final Thread thread;
  private volatile boolean stopping;
  private volatile @Nullable RuntimeException failure;

  /**
   * Starts.
   *
   * @param rollbackEvery one in so many goes back; 0 for none
   * @param quiet how long nobody may have asked for a version that is taken out
   * @param pause between two
   */
  Switches(
      Channel retrieval,
      Channel writer,
      Channel router,
      Events events,
      int rollbackEvery,
      Duration quiet,
      Duration pause) {
    this.retrieval = BundleAdminServiceGrpc.newBlockingStub(retrieval);
    this.writer = BundleAdminServiceGrpc.newBlockingStub(writer);
    this.router = RouteAdminServiceGrpc.newBlockingStub(router);
    this.events = events;
    this.rollbackEvery = rollbackEvery;
    this.quiet = quiet;
    this.pause = pause;
    // Its own work is nothing; it must not make requests late.
    this.thread = BackgroundThread.start("switches", this::run);
  }

  private void run() {
    int serving = SyntheticCatalogue.BUNDLE.version();
    try {
      for (int number = 1; !stopping; number++) {
        int next = serving == SECOND ? SyntheticCatalogue.BUNDLE.version() : SECOND;
        boolean back = rollbackEvery > 0 && number % rollbackEvery == 0;
        long start = System.nanoTime();
        load(retrieval, next);
        load(writer, next);
        apply(next);
        if (back) {
          in(router).rollBackRoutes(RollBackRoutesRequest.getDefaultInstance());
        }
        events.ended(back ? Events.Kind.ROLLBACK : Events.Kind.SWITCH, start);
        int gone = back ? next : serving;
        unload(retrieval, gone);
        unload(writer, gone);
        serving = back ? serving : next;
        Thread.sleep(pause);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (RuntimeException e) {
      failure = e;
    }
  }

  private static BundleAdminServiceBlockingStub inTime(BundleAdminServiceBlockingStub stub) {
    return stub.withDeadlineAfter(DEADLINE.toSeconds(), TimeUnit.SECONDS);
  }

  private static RouteAdminServiceBlockingStub in(RouteAdminServiceBlockingStub stub) {
    return stub.withDeadlineAfter(DEADLINE.toSeconds(), TimeUnit.SECONDS);
  }

  private static void load(BundleAdminServiceBlockingStub server, int version) {
    var unused =
        inTime(server)
            .loadBundle(
                LoadBundleRequest.newBuilder()
                    .setBundle(SyntheticCatalogue.BUNDLE.name())
                    .setVersion(version)
                    .build());
  }

  private void unload(BundleAdminServiceBlockingStub server, int version) {
    var unused =
        inTime(server)
            .unloadBundle(
                UnloadBundleRequest.newBuilder()
                    .setBundle(SyntheticCatalogue.BUNDLE.name())
                    .setVersion(version)
                    .setQuietMs(quiet.toMillis())
                    .build());
  }

  private void apply(int version) {
    var unused =
        in(router)
            .applyRoutes(
                ApplyRoutesRequest.newBuilder()
                    .addRoutes(
                        RouteFile.newBuilder()
                            .setSource("load-feed.yaml")
                            .setYaml(SyntheticCatalogue.route(version)))
                    .build());
  }

  /**
   * Looks whether every switch was made.
   *
   * @throws IllegalStateException when a server refused one, or did not answer
   */
  void check() {
    if (failure != null) {
      throw new IllegalStateException("a bundle could not be switched: " + failure, failure);
    }
  }

  /** Ends the one that is under way, and {@link #check}s. */
  void stop() throws InterruptedException {
    stopping = true;
    thread.join();
    check();
  }
}
