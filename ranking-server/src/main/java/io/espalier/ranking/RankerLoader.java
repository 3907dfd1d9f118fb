package io.espalier.ranking;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleLoader;
import io.espalier.bundles.BundleRepository;
import io.espalier.inference.ModelRunner;
import io.espalier.ranking.Ranking.RankedItem;
import io.opentelemetry.api.metrics.Meter;
import java.time.Duration;

/** Makes rankers of bundles. */
final class RankerLoader implements BundleLoader<Ranker> {
  private final ModelRunner runner;
  private final Duration warmUpLimit;
  private final ScorerLoader scorers;
  private final FusionLoader fusions;
  private final SearchRankerLoader searchRankers;

  RankerLoader(
      BundleRepository repository,
      ModelRunner runner,
      FeatureStores stores,
      Meter meter,
      Duration warmUpLimit) {
    this.runner = runner;
    this.warmUpLimit = warmUpLimit;
    this.scorers = new ScorerLoader(meter, stores);
    this.fusions = new FusionLoader(repository, scorers);
    this.searchRankers = new SearchRankerLoader(repository, meter, stores);
  }

  @Override
  public Ranker load(Bundle bundle) {
    return switch (bundle.system()) {
      case "E4SRec", "HeterRec" -> new ScorerRanker(scorers.load(bundle, bundle.id()));
      case "Fusion" -> fusions.load(bundle);
      case "SearchRanker" -> searchRankers.load(bundle);
      default ->
          throw new BundleException(
              "bundle "
                  + bundle.id()
                  + ": system: "
                  + bundle.system()
                  + " (expected: E4SRec, HeterRec, Fusion or SearchRanker)");
    };
  }

  /** Ranks an example; a score that is not a number would never be ready. */
  @Override
  public void warm(Ranker loaded) {
    ModelCalls calls = new ModelCalls(runner, System.nanoTime() + warmUpLimit.toNanos());
    for (RankedItem item : loaded.rank(loaded.example(), calls).items()) {
      if (!Double.isFinite(item.score())) {
        throw new IllegalStateException(
            "score of " + item.itemId() + ": " + item.score() + " (expected: finite)");
      }
    }
  }
}
