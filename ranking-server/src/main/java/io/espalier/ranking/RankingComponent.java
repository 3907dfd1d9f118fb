package io.espalier.ranking;

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
 * The ranking stage: rankers of bundles behind one gRPC service.
 *
 * <p>Systems: E4SRec and HeterRec (one model's logits), Fusion (calibrated log-probabilities of
 * several) and SearchRanker (features of query and product). Bundles that a fusion or a search
 * ranker names are loaded with it. The runner's models must be loaded before; the runner stays the
 * caller's.
 */
public final class RankingComponent implements AutoCloseable {
  /** The systems whose bundles are served here. */
  public static final Set<String> SYSTEMS = Set.of("E4SRec", "HeterRec", "Fusion", "SearchRanker");

  private final ModelRunner runner;
  private final BundleSwitch<Ranker> bundles;
  private final RankingService service;

  private RankingComponent(
      ModelRunner runner, BundleSwitch<Ranker> bundles, RankingSettings settings) {
    this.runner = runner;
    this.bundles = bundles;
    this.service = new RankingService(bundles, runner, settings);
  }

  /** As below, for bundles whose models the runner has already. */
  public static RankingComponent start(
      BundleRepository repository,
      List<BundleId> bundles,
      ModelRunner runner,
      RankingSettings settings,
      OpenTelemetry telemetry) {
    return start(repository, bundles, runner, FeatureStores.embedded(), settings, telemetry);
  }

  /** The same, with features of items from elsewhere. */
  public static RankingComponent start(
      BundleRepository repository,
      List<BundleId> bundles,
      ModelRunner runner,
      FeatureStores stores,
      RankingSettings settings,
      OpenTelemetry telemetry) {
    return start(repository, bundles, runner, BundleResources.none(), stores, settings, telemetry);
  }

  /**
   * Loads, verifies and warms bundles; returns when all of them serve.
   *
   * @param models loads a bundle's models into the runner, those that it serves later among them
   * @param stores where each bundle's features are looked up
   * @throws BundleException when one of them does not
   */
  public static RankingComponent start(
      BundleRepository repository,
      List<BundleId> bundles,
      ModelRunner runner,
      BundleResources models,
      FeatureStores stores,
      RankingSettings settings,
      OpenTelemetry telemetry) {
    RankerLoader loader =
        new RankerLoader(
            repository,
            runner,
            stores,
            telemetry.getMeter("io.espalier.ranking"),
            settings.warmUpLimit());
    return new RankingComponent(
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
