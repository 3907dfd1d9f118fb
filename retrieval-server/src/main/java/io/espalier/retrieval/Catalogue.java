package io.espalier.retrieval;

import io.espalier.index.ItemIds;
import io.espalier.index.filter.AttributeValue;
import io.espalier.index.filter.ItemAttributes;
import io.espalier.stores.catalog.CatalogItem;
import java.util.List;

/**
 * The fixed snapshot that every source of a server searches. Its offset is its number of items, as
 * if each had been one update.
 *
 * <p>{@code brand}, {@code category} (the name of every ancestor), {@code price}, {@code stock} and
 * {@code group} are attributes beside the items' own.
 */
final class Catalogue {
  private final List<CatalogItem> items;
  private final ItemAttributes attributes;

  Catalogue(List<CatalogItem> items) {
    this.items = items;
    ItemIds ids = ItemIds.of(items.stream().map(CatalogItem::id).toList());
    ItemAttributes.Builder builder = ItemAttributes.builder(ids);
    for (int i = 0; i < items.size(); i++) {
      add(builder, i, items.get(i));
    }
    this.attributes = builder.build();
  }

  private static void add(ItemAttributes.Builder builder, int index, CatalogItem item) {
    if (!item.brand().isEmpty()) {
      builder.add(index, "brand", AttributeValue.of(item.brand()));
    }
    item.category().forEach(name -> builder.add(index, "category", AttributeValue.of(name)));
    item.price().ifPresent(price -> builder.add(index, "price", AttributeValue.of(price)));
    item.stock().ifPresent(stock -> builder.add(index, "stock", AttributeValue.of((double) stock)));
    if (!item.group().isEmpty()) {
      builder.add(index, "group", AttributeValue.of(item.group()));
    }
    item.attributes().forEach((name, value) -> builder.add(index, name, convert(value)));
  }

  private static AttributeValue convert(io.espalier.stores.catalog.AttributeValue value) {
    return switch (value) {
      case io.espalier.stores.catalog.AttributeValue.Text text -> AttributeValue.of(text.text());
      case io.espalier.stores.catalog.AttributeValue.Numeric number ->
          AttributeValue.of(number.value());
      case io.espalier.stores.catalog.AttributeValue.Flag flag -> AttributeValue.of(flag.value());
    };
  }

  List<CatalogItem> items() {
    return items;
  }

  ItemIds ids() {
    return attributes.ids();
  }

  ItemAttributes attributes() {
    return attributes;
  }

  long offset() {
    return items.size();
  }
}
