package io.espalier.index.filter;

import java.util.List;
import java.util.Set;

/** A predicate over an item's attributes and id. */
public sealed interface ItemFilter {

  /** The attribute has this value among its values. */
  record Equals(String attribute, AttributeValue value) implements ItemFilter {}

  /** The attribute has one of these values. */
  record In(String attribute, Set<AttributeValue> values) implements ItemFilter {
    public In {
      values = Set.copyOf(values);
    }
  }

  /** The attribute has a number within the bounds, both inclusive; an infinite bound is open. */
  record Range(String attribute, double min, double max) implements ItemFilter {}

  /** Every operand holds; true of every item when there are none. */
  record AllOf(List<ItemFilter> operands) implements ItemFilter {
    public AllOf {
      operands = List.copyOf(operands);
    }
  }

  /** At least one operand holds; false of every item when there are none. */
  record AnyOf(List<ItemFilter> operands) implements ItemFilter {
    public AnyOf {
      operands = List.copyOf(operands);
    }
  }

  /** The operand does not hold; an item without the attribute satisfies the negation. */
  record Not(ItemFilter operand) implements ItemFilter {}

  /** The item's external id is one of these; unknown ids match nothing. */
  record Ids(Set<String> ids) implements ItemFilter {
    public Ids {
      ids = Set.copyOf(ids);
    }
  }
}
