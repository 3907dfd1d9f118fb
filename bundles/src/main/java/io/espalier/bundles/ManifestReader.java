package io.espalier.bundles;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.espalier.bundles.BundleManifest.Shape;
import io.espalier.bundles.BundleManifest.TrainingData;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Reads {@code bundle.yaml}; a key that it does not know is an error that names the nearest. */
final class ManifestReader {
  private static final YAMLMapper YAML =
      YAMLMapper.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private static final List<String> KEYS =
      List.of(
          "name",
          "version",
          "system",
          "shape",
          "data",
          "licence",
          "models",
          "files",
          "parameters",
          "metrics",
          "checksums");
  private static final List<String> DATA_KEYS = List.of("name", "fingerprint", "licence");

  private final BundleId id;

  private ManifestReader(BundleId id) {
    this.id = id;
  }

  static BundleManifest read(BundleId id, Path file) {
    JsonNode root;
    try {
      root = YAML.readTree(Files.readString(file));
    } catch (JsonProcessingException e) {
      throw new BundleException("bundle " + id + ": " + file + ": " + e.getOriginalMessage(), e);
    } catch (IOException e) {
      throw new BundleException("bundle " + id + ": " + file + ": cannot be read", e);
    }
    ManifestReader reader = new ManifestReader(id);
    if (!(root instanceof ObjectNode object)) {
      throw reader.wrong("bundle.yaml", file, "a map");
    }
    return reader.manifest(object);
  }

  private BundleManifest manifest(ObjectNode root) {
    refuseUnknown("", root, KEYS);
    String name = text(root, "name");
    if (!name.equals(id.name())) {
      throw wrong("name", name, id.name() + ", the folder's name");
    }
    JsonNode version = root.get("version");
    if (version == null || !version.isInt() || version.intValue() != id.version()) {
      throw wrong("version", version, id.version() + ", the folder's name");
    }
    ObjectNode data = map(root, "data");
    refuseUnknown("data.", data, DATA_KEYS);
    return new BundleManifest(
        id,
        text(root, "system"),
        shape(text(root, "shape")),
        new TrainingData(
            text(data, "name"), optionalText(data, "fingerprint"), optionalText(data, "licence")),
        text(root, "licence"),
        texts(root, "models"),
        texts(root, "files"),
        new Parameters("bundle " + id + ": parameters", map(root, "parameters")),
        numbers(root, "metrics"),
        texts(root, "checksums"));
  }

  private void refuseUnknown(String prefix, ObjectNode node, List<String> known) {
    node.fieldNames()
        .forEachRemaining(
            key -> {
              if (!known.contains(key)) {
                throw new BundleException(
                    "bundle "
                        + id
                        + ": "
                        + prefix
                        + key
                        + ": unknown key (nearest: "
                        + prefix
                        + NearestName.of(key, known)
                        + ")");
              }
            });
  }

  private Shape shape(String text) {
    for (Shape shape : Shape.values()) {
      if (label(shape).equals(text)) {
        return shape;
      }
    }
    throw wrong(
        "shape",
        text,
        Arrays.stream(Shape.values()).map(ManifestReader::label).collect(Collectors.joining(", ")));
  }

  private static String label(Shape shape) {
    return shape.name().toLowerCase(Locale.ROOT);
  }

  private String text(ObjectNode node, String key) {
    JsonNode value = node.get(key);
    if (value == null || !value.isTextual() || value.textValue().isBlank()) {
      throw wrong(key, value, "text");
    }
    return value.textValue();
  }

  private String optionalText(ObjectNode node, String key) {
    return node.hasNonNull(key) ? text(node, key) : "";
  }

  private ObjectNode map(ObjectNode node, String key) {
    JsonNode value = node.get(key);
    if (value == null || value.isNull()) {
      return JsonNodeFactory.instance.objectNode();
    }
    if (value instanceof ObjectNode object) {
      return object;
    }
    throw wrong(key, value, "a map");
  }

  private Map<String, String> texts(ObjectNode node, String key) {
    Map<String, String> texts = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> entry : map(node, key).properties()) {
      if (!entry.getValue().isTextual()) {
        throw wrong(key + "." + entry.getKey(), entry.getValue(), "text");
      }
      texts.put(entry.getKey(), entry.getValue().textValue());
    }
    return texts;
  }

  private Map<String, Double> numbers(ObjectNode node, String key) {
    Map<String, Double> numbers = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> entry : map(node, key).properties()) {
      if (!entry.getValue().isNumber()) {
        throw wrong(key + "." + entry.getKey(), entry.getValue(), "a number");
      }
      numbers.put(entry.getKey(), entry.getValue().doubleValue());
    }
    return numbers;
  }

  private BundleException wrong(String key, @Nullable Object value, String expected) {
    return new BundleException(
        "bundle "
            + id
            + ": "
            + key
            + ": "
            + (value == null ? "missing" : value)
            + " (expected: "
            + expected
            + ")");
  }
}
