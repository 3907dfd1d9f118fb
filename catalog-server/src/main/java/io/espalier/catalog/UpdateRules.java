package io.espalier.catalog;

import io.espalier.catalog.v1.Item;
import io.espalier.catalog.v1.UpdateRequest;
import io.espalier.catalog.v1.Value;
import java.util.Map;
import java.util.Optional;

/** What is wrong with an update, in words; the rules stand in {@code catalog.proto}. */
final class UpdateRules {
  private static final int MAX_ID = 256;
  private static final int MAX_TEXT = 8192;
  private static final int MAX_CATEGORY = 32;
  private static final int MAX_ATTRIBUTES = 256;
  // As a filter may name.
  private static final int MAX_NAME = 128;
  // A broker of Kafka takes 1 MiB with what it adds, unless it is told otherwise.
  private static final int MAX_BYTES = 1_000_000;

  private UpdateRules() {}

  static Optional<String> check(UpdateRequest update) {
    return switch (update.getChangeCase()) {
      case UPSERT -> check(update.getUpsert()).or(() -> bytes(update.getSerializedSize()));
      case REMOVE -> id("remove", update.getRemove());
      case CHANGE_NOT_SET -> Optional.of("change: not set (expected: upsert or remove)");
    };
  }

  /** What is wrong with so many bytes of a change, as it came or as the log would keep it. */
  static Optional<String> bytes(int bytes) {
    return bytes <= MAX_BYTES
        ? Optional.empty()
        : Optional.of("change: " + bytes + " bytes (expected: at most " + MAX_BYTES + ")");
  }

  private static Optional<String> check(Item item) {
    return id("id", item.getId())
        .or(() -> text("title", item.getTitle()))
        .or(() -> text("brand", item.getBrand()))
        .or(() -> text("description", item.getDescription()))
        .or(() -> text("group", item.getGroup()))
        .or(() -> category(item))
        .or(() -> numbers(item))
        .or(() -> attributes(item.getAttributesMap()));
  }

  private static Optional<String> id(String field, String id) {
    boolean sound =
        !id.isEmpty() && id.length() <= MAX_ID && id.chars().noneMatch(c -> c == '\t' || c == '\n');
    return sound
        ? Optional.empty()
        : Optional.of(
            field
                + ": "
                + (id.length() > MAX_ID ? id.length() + " characters" : "\"" + id + "\"")
                + " (expected: 1 to 256 characters without tab or line break)");
  }

  /** As much of an id as one may have. */
  static String shown(String id) {
    if (id.length() <= MAX_ID) {
      return id;
    }
    return id.substring(0, Character.isHighSurrogate(id.charAt(MAX_ID - 1)) ? MAX_ID - 1 : MAX_ID);
  }

  private static Optional<String> text(String field, String text) {
    return text.length() <= MAX_TEXT
        ? Optional.empty()
        : Optional.of(field + ": " + text.length() + " characters (expected: at most 8192)");
  }

  private static Optional<String> category(Item item) {
    if (item.getCategoryCount() > MAX_CATEGORY) {
      return Optional.of("category: " + item.getCategoryCount() + " names (expected: at most 32)");
    }
    return item.getCategoryList().stream().flatMap(n -> text("category", n).stream()).findFirst();
  }

  private static Optional<String> numbers(Item item) {
    if (item.hasPrice() && !(Double.isFinite(item.getPrice()) && item.getPrice() >= 0)) {
      return Optional.of("price: " + item.getPrice() + " (expected: finite and >= 0)");
    }
    return item.hasStock() && item.getStock() < 0
        ? Optional.of("stock: " + item.getStock() + " (expected: >= 0)")
        : Optional.empty();
  }

  private static Optional<String> attributes(Map<String, Value> attributes) {
    if (attributes.size() > MAX_ATTRIBUTES) {
      return Optional.of("attributes: " + attributes.size() + " (expected: at most 256)");
    }
    for (Map.Entry<String, Value> attribute : attributes.entrySet()) {
      String name = attribute.getKey();
      int length = name.codePointCount(0, name.length());
      if (length < 1 || length > MAX_NAME) {
        return Optional.of(
            "attributes: a name of " + length + " characters (expected: 1 to " + MAX_NAME + ")");
      }
      String field = "attributes." + name;
      Value value = attribute.getValue();
      switch (value.getKindCase()) {
        case KIND_NOT_SET -> {
          return Optional.of(field + ": not set (expected: text, number or flag)");
        }
        case NUMBER -> {
          if (!Double.isFinite(value.getNumber())) {
            return Optional.of(field + ": " + value.getNumber() + " (expected: finite)");
          }
        }
        case TEXT -> {
          if (value.getText().length() > MAX_TEXT) {
            return text(field, value.getText());
          }
        }
        case FLAG -> {}
      }
    }
    return Optional.empty();
  }
}
