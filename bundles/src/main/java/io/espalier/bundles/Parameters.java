package io.espalier.bundles;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;

/**
 * A bundle's parameters, read by name and type.
 *
 * <p>Every reader fails with a {@link BundleException} that names the bundle and the key when a
 * value is missing or of another type; the readers with a fallback fail only when it is of another
 * type.
 */
public final class Parameters {
  private final String path;
  private final ObjectNode node;

  Parameters(String path, ObjectNode node) {
    this.path = path;
    this.node = node;
  }

  /** The keys, in the order of the file. */
  public Set<String> keys() {
    Set<String> keys = new LinkedHashSet<>();
    node.fieldNames().forEachRemaining(keys::add);
    return keys;
  }

  public boolean has(String key) {
    return node.hasNonNull(key);
  }

  public int integer(String key) {
    JsonNode value = get(key, "a whole number");
    if (!value.isIntegralNumber() || !value.canConvertToInt()) {
      throw wrong(key, value, "a whole number");
    }
    return value.intValue();
  }

  /** A whole number of at least 1: a size. */
  public int size(String key) {
    int value = integer(key);
    if (value < 1) {
      throw wrong(key, value, "1 or more");
    }
    return value;
  }

  public int integer(String key, int fallback) {
    return has(key) ? integer(key) : fallback;
  }

  public double number(String key) {
    JsonNode value = get(key, "a number");
    if (!value.isNumber() || !Double.isFinite(value.doubleValue())) {
      throw wrong(key, value, "a number");
    }
    return value.doubleValue();
  }

  public double number(String key, double fallback) {
    return has(key) ? number(key) : fallback;
  }

  public String text(String key) {
    JsonNode value = get(key, "text");
    if (!value.isTextual()) {
      throw wrong(key, value, "text");
    }
    return value.textValue();
  }

  public String text(String key, String fallback) {
    return has(key) ? text(key) : fallback;
  }

  public boolean flag(String key, boolean fallback) {
    if (!has(key)) {
      return fallback;
    }
    JsonNode value = get(key, "true or false");
    if (!value.isBoolean()) {
      throw wrong(key, value, "true or false");
    }
    return value.booleanValue();
  }

  public int[] integers(String key) {
    JsonNode list = get(key, "a list of whole numbers");
    if (!list.isArray()) {
      throw wrong(key, list, "a list of whole numbers");
    }
    int[] values = new int[list.size()];
    for (int i = 0; i < values.length; i++) {
      JsonNode value = Objects.requireNonNull(list.get(i));
      if (!value.isIntegralNumber() || !value.canConvertToInt()) {
        throw wrong(key + "[" + i + "]", value, "a whole number");
      }
      values[i] = value.intValue();
    }
    return values;
  }

  public List<String> texts(String key) {
    JsonNode list = get(key, "a list of texts");
    if (!list.isArray()) {
      throw wrong(key, list, "a list of texts");
    }
    List<String> values = new ArrayList<>(list.size());
    for (JsonNode value : list) {
      if (!value.isTextual()) {
        throw wrong(key + "[" + values.size() + "]", value, "text");
      }
      values.add(value.textValue());
    }
    return List.copyOf(values);
  }

  /** A map within the parameters. */
  public Parameters map(String key) {
    JsonNode value = get(key, "a map");
    if (!(value instanceof ObjectNode object)) {
      throw wrong(key, value, "a map");
    }
    return new Parameters(path + "." + key, object);
  }

  /** A list of maps within the parameters. */
  public List<Parameters> maps(String key) {
    JsonNode list = get(key, "a list of maps");
    if (!list.isArray()) {
      throw wrong(key, list, "a list of maps");
    }
    List<Parameters> values = new ArrayList<>(list.size());
    for (JsonNode value : list) {
      String name = key + "[" + values.size() + "]";
      if (!(value instanceof ObjectNode object)) {
        throw wrong(name, value, "a map");
      }
      values.add(new Parameters(path + "." + name, object));
    }
    return List.copyOf(values);
  }

  /** An error about one of these parameters, in the words of the readers. */
  public BundleException wrong(String key, Object value, String expected) {
    return new BundleException(path + "." + key + ": " + value + " (expected: " + expected + ")");
  }

  private JsonNode get(String key, String expected) {
    JsonNode value = node.get(key);
    if (value == null || value.isNull()) {
      throw wrong(key, "missing", expected);
    }
    return value;
  }

  @Override
  public String toString() {
    return node.toString();
  }
}
