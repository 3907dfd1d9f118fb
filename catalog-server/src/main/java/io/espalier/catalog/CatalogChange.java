package io.espalier.catalog;

import io.espalier.bundles.BundleId;
import io.espalier.stores.catalog.CatalogItem;
import java.util.List;
import java.util.Map;

/** One change of a catalogue. */
public sealed interface CatalogChange {

  /** The external id of the item that changes. */
  String id();

  /**
   * The item as it is from now on.
   *
   * @param item the whole of it
   * @param semanticIds its codes in each bundle version that can give it some
   */
  record Upsert(CatalogItem item, Map<BundleId, List<Integer>> semanticIds)
      implements CatalogChange {
    public Upsert {
      semanticIds = Map.copyOf(semanticIds);
    }

    @Override
    public String id() {
      return item.id();
    }
  }

  /** The item is gone. */
  record Removal(String id) implements CatalogChange {}
}
