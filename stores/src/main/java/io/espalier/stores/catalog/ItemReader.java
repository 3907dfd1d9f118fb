package io.espalier.stores.catalog;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/** Reads one line of an items file. Keys that no item has are left alone. */
final class ItemReader {
  private static final ObjectReader JSON = JsonMapper.builder().build().reader();

  private final Path file;

  ItemReader(Path file) {
    this.file = file;
  }

  CatalogItem read(String text, long line) {
    JsonNode node;
    try {
      node = JSON.readTree(text);
    } catch (JsonProcessingException e) {
      throw invalid(line, "not JSON: " + e.getOriginalMessage());
    }
    if (!node.isObject()) {
      throw invalid(line, shorten(text) + " (expected: a JSON object)");
    }
    return new CatalogItem(
        id(node, line),
        string(node, "title", line),
        string(node, "brand", line),
        category(node, line),
        string(node, "description", line),
        price(node, line),
        attributes(node, line),
        string(node, "group", line),
        stock(node, line));
  }

  private String id(JsonNode node, long line) {
    for (String key : List.of("asin", "id", "item")) {
      JsonNode value = present(node, key);
      if (value == null) {
        continue;
      }
      if (!value.isTextual() && !value.isIntegralNumber()) {
        throw invalid(line, key + ": " + shorten(value) + " (expected: text or a whole number)");
      }
      String id = value.asText();
      if (id.isEmpty() || id.indexOf('\t') >= 0 || id.indexOf('\n') >= 0) {
        throw invalid(line, key + ": " + shorten(value) + " (expected: not empty, no tab)");
      }
      return id;
    }
    throw invalid(line, "no id (expected: one of asin, id, item)");
  }

  private String string(JsonNode node, String key, long line) {
    JsonNode value = present(node, key);
    if (value == null) {
      return "";
    }
    if (!value.isValueNode()) {
      throw invalid(line, key + ": " + shorten(value) + " (expected: text)");
    }
    return value.asText();
  }

  private List<String> category(JsonNode node, long line) {
    JsonNode value = present(node, "category");
    if (value == null) {
      return List.of();
    }
    if (value.isTextual()) {
      return value.asText().isEmpty() ? List.of() : List.of(value.asText());
    }
    if (!value.isArray()) {
      throw invalid(line, "category: " + shorten(value) + " (expected: text or a list of texts)");
    }
    List<String> path = new ArrayList<>(value.size());
    for (JsonNode name : value) {
      if (!name.isTextual()) {
        throw invalid(line, "category: " + shorten(name) + " in the path (expected: text)");
      }
      path.add(name.asText());
    }
    return path;
  }

  private OptionalDouble price(JsonNode node, long line) {
    JsonNode value = present(node, "price");
    if (value == null) {
      return OptionalDouble.empty();
    }
    if (!value.isNumber() || !Double.isFinite(value.asDouble()) || value.asDouble() < 0) {
      throw invalid(line, "price: " + shorten(value) + " (expected: a number >= 0)");
    }
    return OptionalDouble.of(value.asDouble());
  }

  private OptionalLong stock(JsonNode node, long line) {
    JsonNode value = present(node, "stock");
    if (value == null) {
      return OptionalLong.empty();
    }
    if (!value.isIntegralNumber() || !value.canConvertToLong() || value.asLong() < 0) {
      throw invalid(line, "stock: " + shorten(value) + " (expected: a whole number >= 0)");
    }
    return OptionalLong.of(value.asLong());
  }

  private Map<String, AttributeValue> attributes(JsonNode node, long line) {
    JsonNode object = present(node, "attributes");
    if (object == null) {
      return Map.of();
    }
    if (!object.isObject()) {
      throw invalid(line, "attributes: " + shorten(object) + " (expected: an object)");
    }
    Map<String, AttributeValue> attributes = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> entry : object.properties()) {
      JsonNode value = entry.getValue();
      if (value.isNull()) {
        continue;
      }
      if (value.isTextual()) {
        attributes.put(entry.getKey(), new AttributeValue.Text(value.asText()));
      } else if (value.isNumber() && Double.isFinite(value.asDouble())) {
        attributes.put(entry.getKey(), new AttributeValue.Numeric(value.asDouble()));
      } else if (value.isBoolean()) {
        attributes.put(entry.getKey(), new AttributeValue.Flag(value.asBoolean()));
      } else {
        throw invalid(
            line,
            "attributes."
                + entry.getKey()
                + ": "
                + shorten(value)
                + " (expected: text, a number, true or false)");
      }
    }
    return attributes;
  }

  private static @Nullable JsonNode present(JsonNode node, String key) {
    JsonNode value = node.get(key);
    return value == null || value.isNull() ? null : value;
  }

  private InvalidDataException invalid(long line, String problem) {
    return new InvalidDataException(file, line, problem);
  }

  private static String shorten(Object value) {
    String text = value.toString();
    return text.length() <= 80 ? text : text.substring(0, 80) + "…";
  }
}
