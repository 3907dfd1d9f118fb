package io.espalier.router;

import build.buf.protovalidate.Config;
import build.buf.protovalidate.ValidationResult;
import build.buf.protovalidate.Validator;
import build.buf.protovalidate.ValidatorFactory;
import build.buf.protovalidate.Violation;
import build.buf.protovalidate.exceptions.CompilationException;
import build.buf.protovalidate.exceptions.ValidationException;
import build.buf.validate.FieldPath;
import build.buf.validate.FieldPathElement;
import com.google.protobuf.Message;
import io.espalier.catalog.v1.Filter;
import io.espalier.router.v1.EraseUserRequest;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RecordEventsRequest;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.WhyNotRequest;
import io.espalier.server.RequestException;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Checks requests by the rules that stand in the proto; a refusal names the field, its value and
 * the rule.
 *
 * <p>The bounds on a filter's depth and size are checked here, since a recursive message cannot
 * state them about itself, and so are the ids of a filter, since there can be 100,000.
 */
final class RequestValidator {
  private static final int MAX_FILTER_DEPTH = 16;
  private static final int MAX_FILTER_NODES = 256;
  private static final int MAX_ID = 256;
  private static final int MAX_SHOWN_VALUE = 64;

  private final Validator rules;

  /** Compiles every rule, so that neither a wrong rule nor the first request finds out. */
  RequestValidator() {
    try {
      rules =
          ValidatorFactory.newBuilder()
              .withConfig(Config.newBuilder().setFailFast(true).build())
              .buildWithDescriptors(
                  List.of(
                      SearchRequest.getDescriptor(),
                      RecommendRequest.getDescriptor(),
                      RecordEventsRequest.getDescriptor(),
                      EraseUserRequest.getDescriptor(),
                      WhyNotRequest.getDescriptor()),
                  true);
    } catch (CompilationException e) {
      throw new IllegalStateException("a rule of the contract: " + e.getMessage(), e);
    }
  }

  void check(Message request) {
    ValidationResult result;
    try {
      result = rules.validate(request);
    } catch (ValidationException e) {
      throw new IllegalStateException("a rule of the contract: " + e.getMessage(), e);
    }
    if (!result.isSuccess()) {
      throw RequestException.invalidArgument(words(result.getViolations().getFirst()));
    }
  }

  private static String words(Violation violation) {
    build.buf.validate.Violation broken = violation.toProto();
    Violation.FieldValue value = violation.getFieldValue();
    return "%s: %s (expected: %s; rule %s)"
        .formatted(
            path(broken.getField(), broken.getForKey()),
            shown(value == null ? null : value.getValue()),
            broken.getMessage().isEmpty() ? "another value" : broken.getMessage(),
            broken.getRuleId());
  }

  private static String path(FieldPath path, boolean forKey) {
    StringBuilder written = new StringBuilder();
    for (FieldPathElement element : path.getElementsList()) {
      written.append(written.isEmpty() ? "" : ".").append(element.getFieldName());
      switch (element.getSubscriptCase()) {
        case INDEX -> written.append('[').append(element.getIndex()).append(']');
        case STRING_KEY -> {
          // A key that is itself the fault is shown as the value.
          if (!forKey) {
            written.append('[').append(shown(element.getStringKey())).append(']');
          }
        }
        default -> {}
      }
    }
    return written.append(forKey ? ": key" : "").toString();
  }

  private static String shown(@Nullable Object value) {
    return switch (value) {
      case null -> "missing";
      case Message message -> "missing or empty " + message.getDescriptorForType().getName();
      case Collection<?> entries -> entries.size() + " entries";
      case Map<?, ?> entries -> entries.size() + " entries";
      default -> {
        String text = value.toString();
        yield text.isEmpty()
            ? "empty"
            : text.length() <= MAX_SHOWN_VALUE
                ? text
                : "%s… (%d characters)"
                    .formatted(
                        text.substring(0, MAX_SHOWN_VALUE), text.codePointCount(0, text.length()));
      }
    };
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
      case IDS -> {
        checkIds(filter.getIds().getIdsList());
        yield 1;
      }
      default -> 1;
    };
  }

  /** By hand: through the rules' interpreter 100,000 ids take seconds. */
  private static void checkIds(List<String> ids) {
    for (int i = 0; i < ids.size(); i++) {
      String id = ids.get(i);
      if (id.isEmpty() || id.codePointCount(0, id.length()) > MAX_ID) {
        throw RequestException.invalidArgument(
            "options.filter: ids[%d]: %s (expected: 1 to %d characters)"
                .formatted(i, shown(id), MAX_ID));
      }
    }
  }

  private static int nodes(List<Filter> operands, int depth) {
    int nodes = 1;
    for (Filter operand : operands) {
      nodes += nodes(operand, depth + 1);
    }
    return nodes;
  }
}
