package io.espalier.retrieval;

import io.espalier.index.text.TextIndex;
import io.espalier.stores.catalog.CatalogItem;
import java.util.List;
import java.util.StringJoiner;

/** The text of a catalogue's items by field, as {@code docs/bundles.md} names the fields. */
final class ItemTexts implements TextIndex.Texts {
  static final List<String> FIELDS =
      List.of("title", "brand", "category", "description", "attributes");

  private final List<CatalogItem> items;

  ItemTexts(List<CatalogItem> items) {
    this.items = items;
  }

  @Override
  public String text(int index, String field) {
    CatalogItem item = items.get(index);
    return switch (field) {
      case "title" -> item.title();
      case "brand" -> item.brand();
      case "category" -> String.join(" ", item.category());
      case "description" -> item.description();
      case "attributes" -> {
        StringJoiner words = new StringJoiner(" ");
        item.attributes()
            .forEach(
                (name, value) ->
                    words.add(name.replace('_', ' ')).add(value.text().replace('_', ' ')));
        yield words.toString();
      }
      default ->
          throw new IllegalArgumentException(
              "field: " + field + " (expected: one of " + String.join(", ", FIELDS) + ")");
    };
  }
}
