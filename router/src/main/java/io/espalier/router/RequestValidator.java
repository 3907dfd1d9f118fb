package io.espalier.router;

import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Message;
import io.espalier.catalog.v1.Filter;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RecordEventsRequest;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.WhyNotRequest;
import io.espalier.server.RequestException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * Checks requests by the rules that stand in the proto; a refusal names the field, its value and
 * the rule.
 *
 * <p>The bounds on a filter's depth and size are checked here: a recursive message cannot state
 * them about itself.
 */
final class RequestValidator {
  private static final int MAX_FILTER_DEPTH = 16;
  private static final int MAX_FILTER_NODES = 256;

  private final Map<Descriptor, ProtoRules> rules = new HashMap<>();

  RequestValidator() {
    for (Descriptor request :
        List.of(
            SearchRequest.getDescriptor(),
            RecommendRequest.getDescriptor(),
            RecordEventsRequest.getDescriptor(),
            WhyNotRequest.getDescriptor())) {
      rules.put(request, ProtoRules.of(request));
    }
  }

  void check(Message request) {
    Descriptor type = request.getDescriptorForType();
    String violation =
        Objects.requireNonNull(rules.get(type), type.getFullName()).violation(request);
    if (violation != null) {
      throw RequestException.invalidArgument(violation);
    }
  }

  static void checkFilter(Filter filter) {
    int nodes = nodes(filter, 1);
    if (nodes > MAX_FILTER_NODES) {
      throw RequestException.invalidArgument(
          "options.filter: %d nodes (expected: at most %d)".formatted(nodes, MAX_FILTER_NODES));
    }
  }

  private static int nodes(Filter filter, int depth) {
    if (depth > MAX_FILTER_DEPTH) {
      throw RequestException.invalidArgument(
          "options.filter: deeper than %d (expected: at most %d)"
              .formatted(MAX_FILTER_DEPTH, MAX_FILTER_DEPTH));
    }
    return switch (filter.getNodeCase()) {
      case ALL_OF -> nodes(filter.getAllOf().getFiltersList(), depth);
      case ANY_OF -> nodes(filter.getAnyOf().getFiltersList(), depth);
      case NOT -> 1 + nodes(filter.getNot(), depth + 1);
      default -> 1;
    };
  }

  private static int nodes(List<Filter> operands, int depth) {
    int nodes = 1;
    for (Filter operand : operands) {
      nodes += nodes(operand, depth + 1);
    }
    return nodes;
  }
}
