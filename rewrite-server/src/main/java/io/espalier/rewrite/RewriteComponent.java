package io.espalier.rewrite;

import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.bundles.BundleSwitch;
import io.espalier.inference.ModelRunner;
import io.grpc.BindableService;
import io.opentelemetry.api.OpenTelemetry;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/**
 * The rewrite stage: BEQUE and Agent4Ranking bundles behind one gRPC service.
 *
 * <p>Systems: BEQUE (table, cache, model) and Agent4Ranking (table of personas). The runner's
 * models must be loaded before; the runner stays the caller's.
 */
public final class RewriteComponent implements AutoCloseable {
  private final ModelRunner runner;
  private final BundleSwitch<Rewriter> bundles;
  private final RewriteService service;

  private RewriteComponent(
      ModelRunner runner, BundleSwitch<Rewriter> bundles, RewriteSettings settings) {
    this.runner = runner;
    this.bundles = bundles;
    this.service = new RewriteService(bundles, settings.defaultDeadline());
  }

  /**
   * Loads, verifies and warms bundles; returns when all of them serve.
   *
   * @throws BundleException when one of them does not
   */
  public static RewriteComponent start(
      BundleRepository repository,
      List<BundleId> bundles,
      ModelRunner runner,
      RewriteSettings settings,
      OpenTelemetry telemetry) {
    RewriterLoader loader =
        new RewriterLoader(runner, settings, telemetry.getMeter("io.espalier.rewrite"));
    return new RewriteComponent(
        runner, BundleSwitch.serving(repository, loader, bundles), settings);
  }

  /** The gRPC service. */
  public BindableService service() {
    return service;
  }

  /** Serves one more version, which becomes its name's current one; the older go on serving. */
  public void switchTo(BundleId id) {
    bundles.switchTo(id);
  }

  /** Takes a version out of service; completes when the last call that uses it has ended. */
  public CompletableFuture<Void> retire(BundleId id) {
    return bundles.retire(id);
  }

  /** The versions that serve. */
  public List<BundleId> serving() {
    return bundles.serving();
  }

  /** Whether every model of every version that serves takes calls. */
  public boolean isReady() {
    return bundles.allServing(loaded -> loaded.models().stream().allMatch(runner::isReady));
  }

  @Override
  public void close() {
    bundles.close();
  }
}
