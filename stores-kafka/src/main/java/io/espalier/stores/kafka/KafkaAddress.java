package io.espalier.stores.kafka;

import io.espalier.stores.log.LogException;
import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where a log is in Kafka: {@code kafka://host:port[,host:port…]/topic[?properties=FILE]}.
 *
 * @param bootstrap brokers to ask first
 * @param topic the topic
 * @param properties a file of client properties, such as those of SASL and TLS; empty for none
 */
public record KafkaAddress(String bootstrap, String topic, String properties) {
  /** What an address begins with. */
  public static final String SCHEME = "kafka://";

  private static final String FORM = SCHEME + "host:port[,host:port...]/topic[?properties=FILE]";
  private static final Pattern ADDRESS =
      Pattern.compile(
          "kafka://((?:[^/,?]+:[0-9]{1,5})(?:,[^/,?]+:[0-9]{1,5})*)/([A-Za-z0-9._-]{1,249})(?:\\?properties=(.+))?");

  /**
   * Reads an address.
   *
   * @throws IllegalArgumentException when it is not one
   */
  public static KafkaAddress parse(String address) {
    Matcher matcher = ADDRESS.matcher(address);
    if (!matcher.matches() || matcher.group(2).matches("\\.\\.?")) {
      throw new IllegalArgumentException("\"%s\" (expected: %s)".formatted(address, FORM));
    }
    String properties = matcher.group(3);
    return new KafkaAddress(
        matcher.group(1), matcher.group(2), properties == null ? "" : properties);
  }

  /** What every client of it is configured with. */
  Map<String, Object> clientProperties() {
    Map<String, Object> all = new HashMap<>();
    if (!properties.isEmpty()) {
      Properties read = new Properties();
      try (Reader reader = Files.newBufferedReader(Path.of(properties))) {
        read.load(reader);
      } catch (IOException e) {
        throw new LogException(this + ": its properties cannot be read: " + e, e);
      }
      read.forEach((key, value) -> all.put((String) key, value));
    }
    all.put("bootstrap.servers", bootstrap);
    return all;
  }

  @Override
  public String toString() {
    return SCHEME + bootstrap + "/" + topic;
  }
}
