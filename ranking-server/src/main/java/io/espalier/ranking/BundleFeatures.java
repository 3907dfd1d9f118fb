package io.espalier.ranking;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.stores.features.FeatureTable;

/** The feature tables that rankers read of bundles. */
public final class BundleFeatures {
  private BundleFeatures() {}

  /**
   * The table of an E4SRec, HeterRec or DenseText bundle, whose files are verified first.
   *
   * @throws BundleException when it is none of these, or a file is wrong
   */
  public static FeatureTable read(BundleRepository repository, BundleId id) {
    Bundle bundle = repository.get(id);
    bundle.verify();
    return switch (bundle.system()) {
      case "E4SRec", "HeterRec" -> ScorerLoader.table(bundle);
      case "DenseText" ->
          SearchRankerLoader.table(
              bundle,
              repository
                  .get(SearchRankerLoader.id(bundle.parameters(), "encoder"))
                  .parameters()
                  .size("width"));
      default ->
          throw new BundleException(
              "bundle "
                  + id
                  + ": system: "
                  + bundle.system()
                  + " (expected: E4SRec, HeterRec or DenseText, which have features)");
    };
  }
}
