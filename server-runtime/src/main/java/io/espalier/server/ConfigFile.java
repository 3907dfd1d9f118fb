package io.espalier.server;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MapperFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.exc.UnrecognizedPropertyException;
import com.fasterxml.jackson.databind.exc.ValueInstantiationException;
import com.fasterxml.jackson.databind.module.SimpleModule;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLParser;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collection;
import java.util.Comparator;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Strict YAML configuration: keys in snake case, durations as {@code 250ms}, bound to records that
 * check themselves.
 *
 * <p>An unknown key is an error that names the nearest known one; a key given twice is an error.
 * Every failure is a {@link ConfigException}.
 */
public final class ConfigFile {
  private static final int MAX_DEPTH = 32;
  private static final int MAX_CHARACTERS = 1 << 20;

  private static final ObjectMapper YAML = mapper(true);
  private static final ObjectMapper SHOWN = mapper(false);

  /** User and password of an address. */
  private static final Pattern CREDENTIALS = Pattern.compile("(://)[^/@\\s]*@");

  private ConfigFile() {}

  private static ObjectMapper mapper(boolean withSecrets) {
    return YAMLMapper.builder()
        .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
        .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
        .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
        .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
        .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
        .enable(MapperFeature.ACCEPT_CASE_INSENSITIVE_ENUMS)
        .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
        .addModule(
            new SimpleModule()
                .addDeserializer(Duration.class, new DurationText.Reader())
                .addSerializer(Duration.class, new DurationText.Writer())
                .addDeserializer(Secret.class, new Secret.Reader())
                .addSerializer(Secret.class, new Secret.Writer(withSecrets)))
        .build();
  }

  /** The tree of a YAML file; an empty file is an empty map. */
  public static ObjectNode read(Path file) {
    try {
      if (Files.size(file) > MAX_CHARACTERS) {
        throw tooLong(file.toString());
      }
      return parse(Files.readString(file), file.toString());
    } catch (IOException e) {
      throw new ConfigException("%s: not readable (%s)".formatted(file, e.getMessage()));
    }
  }

  private static ConfigException tooLong(String source) {
    return new ConfigException(
        "%s: too long (expected: at most %d characters)".formatted(source, MAX_CHARACTERS));
  }

  /** The tree of a YAML text; {@code source} names it in errors. */
  public static ObjectNode parse(String yaml, String source) {
    try {
      JsonNode tree = tree(yaml, source);
      if (tree == null || tree.isMissingNode() || tree.isNull()) {
        return JsonNodeFactory.instance.objectNode();
      }
      if (tree instanceof ObjectNode map) {
        return map;
      }
      throw new ConfigException("%s: %s (expected: a map of keys)".formatted(source, kind(tree)));
    } catch (JsonProcessingException e) {
      throw new ConfigException(source + at(e) + ": " + words(e));
    }
  }

  /**
   * Reads a tree of bounded size and depth. Aliases are refused: Jackson would read one as its
   * name, and whoever expands them can be made to expand without end.
   */
  private static JsonNode tree(String yaml, String source) throws JsonProcessingException {
    if (yaml.length() > MAX_CHARACTERS) {
      throw tooLong(source);
    }
    try (YAMLParser parser = (YAMLParser) YAML.createParser(yaml)) {
      while (parser.nextToken() != null) {
        String where = source + at(parser.currentTokenLocation());
        if (parser.getParsingContext().getNestingDepth() > MAX_DEPTH) {
          throw new ConfigException(
              where + ": nested too deep (expected: at most " + MAX_DEPTH + " levels)");
        }
        if (parser.isCurrentAlias() || parser.getObjectId() != null) {
          throw new ConfigException(where + ": an anchor or alias (expected: the value itself)");
        }
      }
    } catch (JsonProcessingException e) {
      throw e;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return YAML.readTree(yaml);
  }

  /** What is wrong, without the piece of the file that the parser quotes: it may hold a secret. */
  private static String words(JsonProcessingException e) {
    return e.getOriginalMessage()
        .lines()
        .filter(line -> !line.isBlank() && !Character.isWhitespace(line.charAt(0)))
        .collect(Collectors.joining("; "));
  }

  /**
   * Sets {@code key.path} → scalar pairs on a tree. A value is read as YAML reads it, so that
   * {@code 8080} is a number and {@code true} a truth value.
   */
  public static ObjectNode override(ObjectNode tree, Map<String, String> overrides) {
    overrides.forEach(
        (key, value) -> {
          String[] path = key.split("\\.", -1);
          ObjectNode parent = tree;
          for (int i = 0; i < path.length - 1; i++) {
            parent = parent.withObjectProperty(path[i]);
          }
          try {
            JsonNode node = tree(value, key);
            parent.set(path[path.length - 1], node.isMissingNode() ? parent.textNode(value) : node);
          } catch (JsonProcessingException e) {
            throw new ConfigException(
                "%s: (expected: a YAML value; quote it) %s".formatted(key, words(e)));
          }
        });
    return tree;
  }

  /** {@code over} laid over {@code base}: maps merge key by key, lists and scalars replace. */
  public static ObjectNode merge(ObjectNode base, ObjectNode over) {
    ObjectNode merged = base.deepCopy();
    over.properties()
        .forEach(
            entry -> {
              JsonNode below = merged.get(entry.getKey());
              merged.set(
                  entry.getKey(),
                  below instanceof ObjectNode map && entry.getValue() instanceof ObjectNode upper
                      ? merge(map, upper)
                      : entry.getValue().deepCopy());
            });
    return merged;
  }

  /** Binds a tree to a record; keys that are missing keep the values of {@code defaults}. */
  public static <T> T bind(ObjectNode tree, String source, Class<T> type, T defaults) {
    ObjectNode base = YAML.valueToTree(defaults);
    return bind(merge(base, tree), source, type);
  }

  /** Binds a tree to a record. */
  public static <T> T bind(JsonNode tree, String source, Class<T> type) {
    try {
      return YAML.treeToValue(tree, type);
    } catch (UnrecognizedPropertyException e) {
      throw new ConfigException(
          "%s: %s: unknown key%s"
              .formatted(source, path(e), nearest(e.getPropertyName(), e.getKnownPropertyIds())));
    } catch (ValueInstantiationException e) {
      Throwable cause = e.getCause() == null ? e : e.getCause();
      String where = path(e);
      throw new ConfigException(
          "%s: %s%s"
              .formatted(
                  source,
                  where.isEmpty() ? "" : where + ": ",
                  withoutCredentials(String.valueOf(cause.getMessage()))));
    } catch (JsonMappingException e) {
      String where = path(e);
      throw new ConfigException(
          "%s: %s%s"
              .formatted(source, where.isEmpty() ? "" : where + ": ", e.getOriginalMessage()));
    } catch (JsonProcessingException e) {
      throw new ConfigException(source + at(e) + ": " + words(e));
    }
  }

  /** A record as YAML without secrets, for printing it once at start. */
  public static String print(Object config) {
    try {
      return withoutCredentials(SHOWN.writeValueAsString(config));
    } catch (JsonProcessingException e) {
      throw new ConfigException(config.getClass().getSimpleName() + ": " + e.getOriginalMessage());
    }
  }

  private static String withoutCredentials(String text) {
    return CREDENTIALS.matcher(text).replaceAll("$1(hidden)@");
  }

  private static String at(JsonProcessingException e) {
    return at(e.getLocation());
  }

  private static String at(@Nullable JsonLocation location) {
    return location == null ? "" : ":" + location.getLineNr() + ":" + location.getColumnNr();
  }

  private static String kind(JsonNode tree) {
    return tree.getNodeType().name().toLowerCase(java.util.Locale.ROOT);
  }

  private static String path(JsonMappingException e) {
    StringBuilder path = new StringBuilder();
    for (JsonMappingException.Reference step : e.getPath()) {
      if (step.getFieldName() == null) {
        path.append('[').append(step.getIndex()).append(']');
      } else {
        path.append(path.isEmpty() ? "" : ".").append(step.getFieldName());
      }
    }
    return path.toString();
  }

  private static String nearest(String key, Collection<Object> known) {
    Optional<String> nearest =
        known.stream()
            .map(String::valueOf)
            .min(Comparator.comparingInt((String k) -> distance(key, k)).thenComparing(k -> k));
    return nearest.map(k -> " (nearest known key: %s)".formatted(k)).orElse("");
  }

  /** Levenshtein distance of two keys. */
  static int distance(String a, String b) {
    int[] previous = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      previous[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      int[] current = new int[b.length() + 1];
      current[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int replace = previous[j - 1] + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        current[j] = Math.min(replace, Math.min(previous[j], current[j - 1]) + 1);
      }
      previous = current;
    }
    return previous[b.length()];
  }
}
