package io.espalier.stores.catalog;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalDouble;
import java.util.OptionalLong;

/**
 * One item of a catalogue as its owner describes it.
 *
 * @param id external id, never empty
 * @param title empty when unknown
 * @param brand empty when unknown
 * @param category path from the root to the leaf; empty when unknown
 * @param description empty when unknown
 * @param price in the catalogue's own currency and unit
 * @param attributes by name, in the order of the source
 * @param group variants of one product share it; empty when the item has no variants
 * @param stock pieces in stock; empty when the catalogue does not say
 */
public record CatalogItem(
    String id,
    String title,
    String brand,
    List<String> category,
    String description,
    OptionalDouble price,
    Map<String, AttributeValue> attributes,
    String group,
    OptionalLong stock) {
  public CatalogItem {
    if (id.isEmpty()) {
      throw new IllegalArgumentException("id: empty (expected: an external id)");
    }
    Objects.requireNonNull(title, "title");
    Objects.requireNonNull(brand, "brand");
    category = List.copyOf(category);
    Objects.requireNonNull(description, "description");
    Objects.requireNonNull(price, "price");
    attributes = Collections.unmodifiableMap(new LinkedHashMap<>(attributes));
    Objects.requireNonNull(group, "group");
    Objects.requireNonNull(stock, "stock");
  }
}
