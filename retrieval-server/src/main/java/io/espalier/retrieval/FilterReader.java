package io.espalier.retrieval;

import io.espalier.catalog.v1.Filter;
import io.espalier.catalog.v1.Operands;
import io.espalier.catalog.v1.Range;
import io.espalier.catalog.v1.Value;
import io.espalier.index.filter.AttributeValue;
import io.espalier.index.filter.ItemFilter;
import io.espalier.server.RequestException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Reads a request's filter tree, within its limits of depth and size. */
final class FilterReader {
  private static final int MAX_DEPTH = 16;
  private static final int MAX_NODES = 256;

  private int nodes;

  private FilterReader() {}

  static ItemFilter read(Filter filter) {
    return new FilterReader().read(filter, 1);
  }

  private ItemFilter read(Filter filter, int depth) {
    if (depth > MAX_DEPTH) {
      throw invalid("depth: more than " + MAX_DEPTH, "at most " + MAX_DEPTH);
    }
    if (++nodes > MAX_NODES) {
      throw invalid("nodes: more than " + MAX_NODES, "at most " + MAX_NODES);
    }
    return switch (filter.getNodeCase()) {
      case EQUALS ->
          new ItemFilter.Equals(
              attribute(filter.getEquals().getAttribute()), value(filter.getEquals().getValue()));
      case IN -> {
        Set<AttributeValue> values = new HashSet<>();
        for (Value value : filter.getIn().getValuesList()) {
          values.add(value(value));
        }
        if (values.isEmpty()) {
          throw invalid("in: no values", "at least one");
        }
        if (values.size() > Question.MAX_IDS) {
          throw invalid("in: " + values.size(), "at most " + Question.MAX_IDS);
        }
        yield new ItemFilter.In(attribute(filter.getIn().getAttribute()), values);
      }
      case RANGE -> range(filter.getRange());
      case ALL_OF -> new ItemFilter.AllOf(operands(filter.getAllOf(), depth));
      case ANY_OF -> new ItemFilter.AnyOf(operands(filter.getAnyOf(), depth));
      case NOT -> new ItemFilter.Not(read(filter.getNot(), depth + 1));
      case IDS -> {
        int ids = filter.getIds().getIdsCount();
        if (ids == 0) {
          throw invalid("ids: none", "at least one");
        }
        if (ids > Question.MAX_IDS) {
          throw invalid("ids: " + ids, "at most " + Question.MAX_IDS);
        }
        yield new ItemFilter.Ids(new HashSet<>(filter.getIds().getIdsList()));
      }
      case NODE_NOT_SET ->
          throw invalid("empty node", "one of equals, in, range, all_of, any_of, not, ids");
    };
  }

  private List<ItemFilter> operands(Operands operands, int depth) {
    if (operands.getFiltersCount() == 0) {
      throw invalid("no operands", "at least one");
    }
    List<ItemFilter> filters = new ArrayList<>(operands.getFiltersCount());
    for (Filter operand : operands.getFiltersList()) {
      filters.add(read(operand, depth + 1));
    }
    return filters;
  }

  private static ItemFilter range(Range range) {
    double min = range.hasMin() ? range.getMin() : Double.NEGATIVE_INFINITY;
    double max = range.hasMax() ? range.getMax() : Double.POSITIVE_INFINITY;
    if (Double.isNaN(min) || Double.isNaN(max)) {
      throw invalid("range bound: NaN", "a number");
    }
    return new ItemFilter.Range(attribute(range.getAttribute()), min, max);
  }

  private static String attribute(String name) {
    if (name.isEmpty()) {
      throw invalid("attribute: empty", "a name");
    }
    return name;
  }

  private static AttributeValue value(Value value) {
    return switch (value.getKindCase()) {
      case TEXT -> AttributeValue.of(value.getText());
      case NUMBER -> {
        if (Double.isNaN(value.getNumber())) {
          throw invalid("value: NaN", "a number");
        }
        yield AttributeValue.of(value.getNumber());
      }
      case FLAG -> AttributeValue.of(value.getFlag());
      case KIND_NOT_SET -> throw invalid("value: empty", "text, number or flag");
    };
  }

  private static RequestException invalid(String value, String expected) {
    return RequestException.invalidArgument("filter: " + value + " (expected: " + expected + ")");
  }
}
