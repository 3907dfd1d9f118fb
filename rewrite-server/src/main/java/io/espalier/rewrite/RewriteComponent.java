package io.espalier.rewrite;

import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.bundles.BundleResources;
import io.espalier.bundles.BundleSwitch;
import io.espalier.inference.ModelRunner;
import io.grpc.BindableService;
import io.opentelemetry.api.OpenTelemetry;
import java.util.List;
import java.util.Set;

/**
 * The rewrite stage: BEQUE and Agent4Ranking bundles behind one gRPC service.
 *
 * <p>Systems: BEQUE (table, cache, model) and Agent4Ranking (table of personas). The runner stays
 * the caller's.
 */
public final class RewriteComponent implements AutoCloseable {
  /** The systems whose bundles are served here. */
  public static final Set<String> SYSTEMS = Set.of("BEQUE", "Agent4Ranking");

  private final ModelRunner runner;
  private final BundleSwitch<Rewriter> bundles;
  private final RewriteService service;

  private RewriteComponent(
      ModelRunner runner, BundleSwitch<Rewriter> bundles, RewriteSettings settings) {
    this.runner = runner;
    this.bundles = bundles;
    this.service = new RewriteService(bundles, settings.defaultDeadline());
  }

  /** As below, for bundles whose models the runner has already. */
  public static RewriteComponent start(
      BundleRepository repository,
      List<BundleId> bundles,
      ModelRunner runner,
      RewriteSettings settings,
      OpenTelemetry telemetry) {
    return start(repository, bundles, runner, BundleResources.none(), settings, telemetry);
  }

  /**
   * Loads, verifies and warms bundles; returns when all of them serve.
   *
   * @param models loads a bundle's models into the runner, those that it serves later among them
   * @throws BundleException when one of them does not
   */
  public static RewriteComponent start(
      BundleRepository repository,
      List<BundleId> bundles,
      ModelRunner runner,
      BundleResources models,
      RewriteSettings settings,
      OpenTelemetry telemetry) {
    RewriterLoader loader =
        new RewriterLoader(runner, settings, telemetry.getMeter("io.espalier.rewrite"));
    return new RewriteComponent(
        runner, BundleSwitch.serving(repository, loader, models, bundles), settings);
  }

  /** The gRPC service. */
  public BindableService service() {
    return service;
  }

  /** The versions that it serves, and the way from one to the next. */
  public BundleSwitch<?> bundles() {
    return bundles;
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
