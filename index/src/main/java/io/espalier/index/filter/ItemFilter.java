package io.espalier.index.filter;

import java.util.List;
import java.util.Map;
import java.util.Set;

/** A predicate over an item's attributes and id. */
public sealed interface ItemFilter {
  /** A filter that names more values than these is not worth the memory of a cache's key. */
  int FEW = 256;

  /**
   * Whether an item satisfies it.
   *
   * @param attributes the item's values of each attribute
   */
  boolean test(String id, Map<String, List<AttributeValue>> attributes);

  /** How many values it names. */
  int size();

  /** The attribute has this value among its values. */
  record Equals(String attribute, AttributeValue value) implements ItemFilter {
    @Override
    public boolean test(String id, Map<String, List<AttributeValue>> attributes) {
      return attributes.getOrDefault(attribute, List.of()).contains(value);
    }

    @Override
    public int size() {
      return 1;
    }
  }

  /** The attribute has one of these values. */
  record In(String attribute, Set<AttributeValue> values) implements ItemFilter {
    public In {
      values = Set.copyOf(values);
    }

    @Override
    public boolean test(String id, Map<String, List<AttributeValue>> attributes) {
      return attributes.getOrDefault(attribute, List.of()).stream().anyMatch(values::contains);
    }

    @Override
    public int size() {
      return values.size();
    }
  }

  /** The attribute has a number within the bounds, both inclusive; an infinite bound is open. */
  record Range(String attribute, double min, double max) implements ItemFilter {
    @Override
    public boolean test(String id, Map<String, List<AttributeValue>> attributes) {
      for (AttributeValue value : attributes.getOrDefault(attribute, List.of())) {
        if (value instanceof AttributeValue.Numeric(double number)
            && number >= min
            && number <= max) {
          return true;
        }
      }
      return false;
    }

    @Override
    public int size() {
      return 1;
    }
  }

  /** Every operand holds; true of every item when there are none. */
  record AllOf(List<ItemFilter> operands) implements ItemFilter {
    public AllOf {
      operands = List.copyOf(operands);
    }

    @Override
    public boolean test(String id, Map<String, List<AttributeValue>> attributes) {
      return operands.stream().allMatch(operand -> operand.test(id, attributes));
    }

    @Override
    public int size() {
      return operands.stream().mapToInt(ItemFilter::size).sum();
    }
  }

  /** At least one operand holds; false of every item when there are none. */
  record AnyOf(List<ItemFilter> operands) implements ItemFilter {
    public AnyOf {
      operands = List.copyOf(operands);
    }

    @Override
    public boolean test(String id, Map<String, List<AttributeValue>> attributes) {
      return operands.stream().anyMatch(operand -> operand.test(id, attributes));
    }

    @Override
    public int size() {
      return operands.stream().mapToInt(ItemFilter::size).sum();
    }
  }

  /** The operand does not hold; an item without the attribute satisfies the negation. */
  record Not(ItemFilter operand) implements ItemFilter {
    @Override
    public boolean test(String id, Map<String, List<AttributeValue>> attributes) {
      return !operand.test(id, attributes);
    }

    @Override
    public int size() {
      return operand.size();
    }
  }

  /** The item's external id is one of these; unknown ids match nothing. */
  record Ids(Set<String> ids) implements ItemFilter {
    public Ids {
      ids = Set.copyOf(ids);
    }

    @Override
    public boolean test(String id, Map<String, List<AttributeValue>> attributes) {
      return ids.contains(id);
    }

    @Override
    public int size() {
      return ids.size();
    }
  }
}
