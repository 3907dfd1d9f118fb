package io.espalier.router;

import build.buf.protovalidate.ValidationResult;
import build.buf.protovalidate.Validator;
import build.buf.protovalidate.ValidatorFactory;
import build.buf.protovalidate.Violation;
import build.buf.protovalidate.exceptions.ValidationException;
import build.buf.validate.FieldPathElement;
import com.google.protobuf.Message;
import io.espalier.catalog.v1.Filter;
import io.espalier.server.RequestException;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

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
  private static final int MAX_SHOWN_VALUE = 64;

  private final Validator validator = ValidatorFactory.newBuilder().build();

  /**
   * Compiles the rules of these messages, which the first request of each would pay for otherwise.
   */
  void warm(List<Message> messages) {
    for (Message message : messages) {
      try {
        validator.validate(message);
      } catch (ValidationException e) {
        throw new IllegalStateException(
            message.getDescriptorForType().getFullName() + ": its rules do not compile", e);
      }
    }
  }

  void check(Message message) {
    ValidationResult result;
    try {
      result = validator.validate(message);
    } catch (ValidationException e) {
      throw new IllegalStateException(
          message.getDescriptorForType().getFullName() + ": its rules do not run", e);
    }
    if (!result.isSuccess()) {
      throw RequestException.invalidArgument(words(result.getViolations().getFirst()));
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

  private static String words(Violation violation) {
    build.buf.validate.Violation proto = violation.toProto();
    String path = path(proto.getField().getElementsList());
    Violation.@Nullable FieldValue value = violation.getFieldValue();
    String rule = proto.getRuleId();
    String expected = proto.getMessage().isEmpty() ? rule : proto.getMessage();
    return value == null
        ? "%s (expected: %s; rule %s)".formatted(path.isEmpty() ? "request" : path, expected, rule)
        : "%s: %s (expected: %s; rule %s)".formatted(path, shown(value.getValue()), expected, rule);
  }

  private static String shown(@Nullable Object value) {
    return switch (value) {
      case null -> "missing";
      case Message message -> "message " + message.getDescriptorForType().getName();
      case List<?> list -> list.size() + " entries";
      case java.util.Map<?, ?> map -> map.size() + " entries";
      default -> {
        String text = Objects.toString(value);
        yield text.length() <= MAX_SHOWN_VALUE
            ? text
            : "%s… (%d characters)".formatted(text.substring(0, MAX_SHOWN_VALUE), text.length());
      }
    };
  }

  private static String path(List<FieldPathElement> elements) {
    StringBuilder path = new StringBuilder();
    for (FieldPathElement element : elements) {
      path.append(path.isEmpty() ? "" : ".").append(element.getFieldName());
      switch (element.getSubscriptCase()) {
        case INDEX -> path.append('[').append(element.getIndex()).append(']');
        case STRING_KEY -> path.append('[').append(shown(element.getStringKey())).append(']');
        case BOOL_KEY, INT_KEY, UINT_KEY, SUBSCRIPT_NOT_SET -> {}
      }
    }
    return path.toString();
  }
}
