package io.espalier.router;

import io.espalier.catalog.v1.Filter;
import io.espalier.catalog.v1.Range;
import io.espalier.catalog.v1.Value;
import io.espalier.stores.catalog.AttributeValue;
import io.espalier.stores.catalog.CatalogItem;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;

/** Filters over catalogue items, as {@code filter.proto} defines them. */
final class ItemPredicate {
  private ItemPredicate() {}

  /** The predicate of a filter; a filter without a node is satisfied by every item. */
  static Predicate<CatalogItem> of(Filter filter) {
    return switch (filter.getNodeCase()) {
      case EQUALS -> {
        String attribute = filter.getEquals().getAttribute();
        Value value = filter.getEquals().getValue();
        yield item -> values(item, attribute).stream().anyMatch(has -> same(has, value));
      }
      case IN -> {
        String attribute = filter.getIn().getAttribute();
        List<Value> accepted = filter.getIn().getValuesList();
        yield item ->
            values(item, attribute).stream()
                .anyMatch(has -> accepted.stream().anyMatch(value -> same(has, value)));
      }
      case RANGE -> {
        Range range = filter.getRange();
        yield item ->
            values(item, range.getAttribute()).stream()
                .anyMatch(
                    has ->
                        has instanceof AttributeValue.Numeric number
                            && (!range.hasMin() || number.value() >= range.getMin())
                            && (!range.hasMax() || number.value() <= range.getMax()));
      }
      case ALL_OF -> {
        List<Predicate<CatalogItem>> operands = operands(filter.getAllOf().getFiltersList());
        yield item -> operands.stream().allMatch(operand -> operand.test(item));
      }
      case ANY_OF -> {
        List<Predicate<CatalogItem>> operands = operands(filter.getAnyOf().getFiltersList());
        yield item -> operands.stream().anyMatch(operand -> operand.test(item));
      }
      case NOT -> of(filter.getNot()).negate();
      case IDS -> {
        Set<String> ids = new HashSet<>(filter.getIds().getIdsList());
        yield item -> ids.contains(item.id());
      }
      case NODE_NOT_SET -> item -> true;
    };
  }

  private static List<Predicate<CatalogItem>> operands(List<Filter> filters) {
    return filters.stream().map(ItemPredicate::of).toList();
  }

  /**
   * The item's values of an attribute; a category path has one for each of its prefixes' last
   * names.
   */
  static List<AttributeValue> values(CatalogItem item, String attribute) {
    List<AttributeValue> values = new ArrayList<>(fields(item, attribute));
    AttributeValue own = item.attributes().get(attribute);
    if (own != null) {
      values.add(own);
    }
    return values;
  }

  private static List<AttributeValue> fields(CatalogItem item, String attribute) {
    return switch (attribute) {
      case "brand" -> text(item.brand());
      case "group" -> text(item.group());
      case "category" ->
          item.category().stream()
              .map(name -> (AttributeValue) new AttributeValue.Text(name))
              .toList();
      case "price" ->
          item.price().isPresent()
              ? List.of(new AttributeValue.Numeric(item.price().getAsDouble()))
              : List.of();
      case "stock" ->
          item.stock().isPresent()
              ? List.of(new AttributeValue.Numeric(item.stock().getAsLong()))
              : List.of();
      default -> List.of();
    };
  }

  private static List<AttributeValue> text(String value) {
    return value.isEmpty() ? List.of() : List.of(new AttributeValue.Text(value));
  }

  private static boolean same(AttributeValue has, Value wanted) {
    return switch (has) {
      case AttributeValue.Text text ->
          wanted.getKindCase() == Value.KindCase.TEXT && text.text().equals(wanted.getText());
      case AttributeValue.Numeric number ->
          wanted.getKindCase() == Value.KindCase.NUMBER && number.value() == wanted.getNumber();
      case AttributeValue.Flag flag ->
          wanted.getKindCase() == Value.KindCase.FLAG && flag.value() == wanted.getFlag();
    };
  }
}
