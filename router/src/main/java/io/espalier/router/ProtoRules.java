package io.espalier.router;

import build.buf.validate.FieldRules;
import build.buf.validate.OneofRules;
import build.buf.validate.ValidateProto;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.EnumValueDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Descriptors.OneofDescriptor;
import com.google.protobuf.Message;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The rules that a message's proto states ({@code buf.validate}), compiled to direct checks.
 *
 * <p>The reference implementation runs each rule through CEL: on this contract 24 µs of processor
 * time for a small search and 290 µs for a feed request with 50 inline events, after seconds of
 * compiling at start. These checks know just the rules that the contract uses, and refuse at start
 * a proto that states any other; a test holds them against the reference implementation.
 */
final class ProtoRules {
  private static final int MAX_SHOWN_VALUE = 64;

  private static final Map<String, Set<String>> KNOWN =
      Map.of(
          "required", Set.of(),
          "string", Set.of("min_len", "max_len"),
          "int32", Set.of("gte", "lte"),
          "double", Set.of("finite"),
          "enum", Set.of("defined_only"),
          "repeated", Set.of("min_items", "max_items", "items"),
          "map", Set.of("max_pairs", "keys", "values"));

  private final List<FieldCheck> fields = new ArrayList<>();
  private final List<OneofDescriptor> requiredOneofs = new ArrayList<>();

  private ProtoRules() {}

  /** A field and what is asked of it: of itself, of each element, and of the message below. */
  private record FieldCheck(
      FieldDescriptor field, FieldRules rules, @Nullable ProtoRules message) {}

  /** Compiles the rules of a message and of all that it can hold. */
  static ProtoRules of(Descriptor message) {
    return compile(message, new HashMap<>());
  }

  private static ProtoRules compile(Descriptor message, Map<Descriptor, ProtoRules> done) {
    ProtoRules known = done.get(message);
    if (known != null) {
      return known;
    }
    ProtoRules compiled = new ProtoRules();
    done.put(message, compiled);
    if (message.getOptions().hasExtension(ValidateProto.message)) {
      throw unknown(message.getFullName(), "a rule of the whole message");
    }
    for (OneofDescriptor oneof : message.getRealOneofs()) {
      OneofRules rules = oneof.getOptions().getExtension(ValidateProto.oneof);
      if (rules.getRequired()) {
        compiled.requiredOneofs.add(oneof);
      }
    }
    for (FieldDescriptor field : message.getFields()) {
      FieldRules rules = field.getOptions().getExtension(ValidateProto.field);
      checkKnown(field.getFullName(), rules);
      boolean holdsMessages =
          !field.isMapField() && field.getJavaType() == FieldDescriptor.JavaType.MESSAGE;
      if (holdsMessages) {
        compiled.fields.add(new FieldCheck(field, rules, compile(field.getMessageType(), done)));
      } else if (!rules.getAllFields().isEmpty()) {
        compiled.fields.add(new FieldCheck(field, rules, null));
      }
    }
    return compiled;
  }

  private static void checkKnown(String where, FieldRules rules) {
    rules
        .getAllFields()
        .forEach(
            (kind, value) -> {
              Set<String> parts = KNOWN.get(kind.getName());
              if (parts == null) {
                throw unknown(where, kind.getName());
              }
              if (value instanceof Message typed) {
                typed
                    .getAllFields()
                    .forEach(
                        (part, below) -> {
                          if (!parts.contains(part.getName())) {
                            throw unknown(where, kind.getName() + "." + part.getName());
                          }
                          if (below instanceof FieldRules nested) {
                            checkKnown(where, nested);
                          }
                        });
              }
            });
  }

  private static IllegalStateException unknown(String where, String rule) {
    return new IllegalStateException(
        "%s: rule %s (expected: one of the rules that ProtoRules knows)".formatted(where, rule));
  }

  /** The first rule that the message breaks, in words; null when it keeps them all. */
  @Nullable String violation(Message message) {
    for (OneofDescriptor oneof : requiredOneofs) {
      if (!message.hasOneof(oneof)) {
        return "%s: missing (expected: one of its fields; rule oneof.required)"
            .formatted(oneof.getName());
      }
    }
    for (FieldCheck check : fields) {
      String violation = violation(message, check);
      if (violation != null) {
        return violation;
      }
    }
    return null;
  }

  private static @Nullable String violation(Message message, FieldCheck check) {
    FieldDescriptor field = check.field();
    FieldRules rules = check.rules();
    if (field.isMapField()) {
      return map(message, check);
    }
    if (field.isRepeated()) {
      return repeated(message, check);
    }
    if (field.hasPresence() && !message.hasField(field)) {
      return rules.getRequired()
          ? "%s: missing (expected: given; rule required)".formatted(field.getName())
          : null;
    }
    String violation =
        check.message() == null
            ? scalar(message.getField(field), rules)
            : check.message().violation((Message) message.getField(field));
    return violation == null
        ? null
        : field.getName() + (check.message() == null ? "" : ".") + violation;
  }

  private static @Nullable String repeated(Message message, FieldCheck check) {
    FieldDescriptor field = check.field();
    int count = message.getRepeatedFieldCount(field);
    var rules = check.rules().getRepeated();
    if (rules.hasMinItems() && count < rules.getMinItems()) {
      return "%s: %d entries (expected: at least %d; rule repeated.min_items)"
          .formatted(field.getName(), count, rules.getMinItems());
    }
    if (rules.hasMaxItems() && count > rules.getMaxItems()) {
      return "%s: %d entries (expected: at most %d; rule repeated.max_items)"
          .formatted(field.getName(), count, rules.getMaxItems());
    }
    if (check.message() == null && !rules.hasItems()) {
      return null;
    }
    for (int i = 0; i < count; i++) {
      Object element = message.getRepeatedField(field, i);
      String violation =
          check.message() == null
              ? scalar(element, rules.getItems())
              : check.message().violation((Message) element);
      if (violation != null) {
        return "%s[%d]%s%s"
            .formatted(field.getName(), i, check.message() == null ? "" : ".", violation);
      }
    }
    return null;
  }

  private static @Nullable String map(Message message, FieldCheck check) {
    FieldDescriptor field = check.field();
    var rules = check.rules().getMap();
    int count = message.getRepeatedFieldCount(field);
    if (rules.hasMaxPairs() && count > rules.getMaxPairs()) {
      return "%s: %d entries (expected: at most %d; rule map.max_pairs)"
          .formatted(field.getName(), count, rules.getMaxPairs());
    }
    FieldDescriptor keyField = field.getMessageType().findFieldByNumber(1);
    FieldDescriptor valueField = field.getMessageType().findFieldByNumber(2);
    for (int i = 0; i < count; i++) {
      Message entry = (Message) message.getRepeatedField(field, i);
      Object key = entry.getField(keyField);
      String inKey = scalar(key, rules.getKeys());
      if (inKey != null) {
        return "%s: key%s".formatted(field.getName(), inKey);
      }
      String inValue = scalar(entry.getField(valueField), rules.getValues());
      if (inValue != null) {
        return "%s[%s]%s".formatted(field.getName(), shown(key), inValue);
      }
    }
    return null;
  }

  /** A value's violation, to be put behind the field's name. */
  private static @Nullable String scalar(Object value, FieldRules rules) {
    return switch (value) {
      case String text when rules.hasString() -> {
        var wanted = rules.getString();
        // Characters as protobuf counts them: code points.
        int length = text.codePointCount(0, text.length());
        if (wanted.hasMinLen() && length < wanted.getMinLen()) {
          yield broken(
              text, "at least %d characters".formatted(wanted.getMinLen()), "string.min_len");
        }
        yield wanted.hasMaxLen() && length > wanted.getMaxLen()
            ? broken(text, "at most %d characters".formatted(wanted.getMaxLen()), "string.max_len")
            : null;
      }
      case Integer number when rules.hasInt32() -> {
        var wanted = rules.getInt32();
        if (wanted.hasGte() && number < wanted.getGte()) {
          yield broken(number, "at least " + wanted.getGte(), "int32.gte");
        }
        yield wanted.hasLte() && number > wanted.getLte()
            ? broken(number, "at most " + wanted.getLte(), "int32.lte")
            : null;
      }
      case Double number when rules.hasDouble() ->
          rules.getDouble().getFinite() && !Double.isFinite(number)
              ? broken(number, "a finite number", "double.finite")
              : null;
      case EnumValueDescriptor constant when rules.hasEnum() ->
          rules.getEnum().getDefinedOnly() && constant.getIndex() < 0
              ? broken(
                  constant.getNumber(),
                  "a value of " + constant.getType().getName(),
                  "enum.defined_only")
              : null;
      default -> null;
    };
  }

  private static String broken(Object value, String expected, String rule) {
    return ": %s (expected: %s; rule %s)".formatted(shown(value), expected, rule);
  }

  private static String shown(Object value) {
    String text = String.valueOf(value);
    if (text.isEmpty()) {
      return "empty";
    }
    return text.length() <= MAX_SHOWN_VALUE
        ? text
        : "%s… (%d characters)"
            .formatted(text.substring(0, MAX_SHOWN_VALUE), text.codePointCount(0, text.length()));
  }
}
