package io.espalier.router;

import io.espalier.stores.catalog.CatalogItem;
import java.util.Optional;

/** What the router may ask about an item: its attributes, for rules and explanations. */
@FunctionalInterface
public interface Catalogue {
  /** The item with this external id; empty when there is none. */
  Optional<CatalogItem> item(String id);
}
