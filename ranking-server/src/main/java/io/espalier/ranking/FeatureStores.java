package io.espalier.ranking;

import io.espalier.bundles.BundleId;
import io.espalier.stores.features.EmbeddedFeatures;
import io.espalier.stores.features.FeatureStore;
import io.espalier.stores.features.FeatureTable;

/** Where rankers look up the features of a bundle's items. */
@FunctionalInterface
public interface FeatureStores {

  /**
   * A store of a bundle's features, closed with the ranker.
   *
   * @param table as the bundle's files have it
   */
  FeatureStore open(BundleId bundle, FeatureTable table);

  /** The bundles' own tables, in the memory of the process. */
  static FeatureStores embedded() {
    return (bundle, table) -> new EmbeddedFeatures(table);
  }
}
