package io.espalier.stores.kafka;

import io.espalier.stores.log.LogException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The topic of a log, as an administrator sees it: one partition, from which nothing expires. */
final class LogTopic implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(LogTopic.class);
  // Whatever expires by itself takes the log's numbers with it.
  private static final Map<String, String> KEEPS =
      Map.of("cleanup.policy", "delete", "retention.ms", "-1", "retention.bytes", "-1");
  private static final Duration PAUSE = Duration.ofMillis(100);

  private final KafkaAddress address;
  private final Duration patience;
  private final Admin admin;

  private LogTopic(KafkaAddress address, Duration patience, Admin admin) {
    this.address = address;
    this.patience = patience;
    this.admin = admin;
  }

  /**
   * Finds the topic, or makes it.
   *
   * @throws LogException when it is not to be had, or is not one that a log can be in
   */
  static LogTopic open(KafkaAddress address, Duration patience) {
    Map<String, Object> properties = address.clientProperties();
    int millis = Math.toIntExact(patience.toMillis());
    properties.put(AdminClientConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, millis);
    properties.put(AdminClientConfig.REQUEST_TIMEOUT_MS_CONFIG, millis);
    Admin admin;
    try {
      admin = Admin.create(properties);
    } catch (KafkaException e) {
      throw KafkaFailures.of(address, "cannot be reached", patience, e);
    }
    LogTopic topic = new LogTopic(address, patience, admin);
    try {
      topic.check(topic.findOrMake());
      return topic;
    } catch (RuntimeException e) {
      topic.close();
      throw e;
    }
  }

  private TopicDescription findOrMake() {
    String name = address.topic();
    long until = System.nanoTime() + patience.toNanos();
    while (true) {
      try {
        return get(admin.describeTopics(List.of(name)).allTopicNames()).values().iterator().next();
      } catch (ExecutionException | java.util.concurrent.TimeoutException e) {
        boolean missing = e.getCause() instanceof UnknownTopicOrPartitionException;
        if (!missing || System.nanoTime() > until) {
          throw KafkaFailures.of(address, "cannot be reached", patience, e);
        }
      }
      make(name);
    }
  }

  private void make(String name) {
    try {
      NewTopic topic = new NewTopic(name, Optional.of(1), Optional.empty()).configs(KEEPS);
      var unused = get(admin.createTopics(List.of(topic)).all());
      log.info("{}: made", address);
    } catch (ExecutionException | java.util.concurrent.TimeoutException e) {
      if (!(e.getCause() instanceof TopicExistsException)) {
        throw KafkaFailures.of(address, "cannot be made", patience, e);
      }
      // Made a moment ago, and not known to every broker yet.
      try {
        Thread.sleep(PAUSE);
      } catch (InterruptedException interrupted) {
        Thread.currentThread().interrupt();
        throw new LogException(address + ": interrupted", interrupted);
      }
    }
  }

  private void check(TopicDescription topic) {
    int partitions = topic.partitions().size();
    if (partitions != 1) {
      throw new LogException(address + ": " + partitions + " partitions (expected: 1)");
    }
    ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, address.topic());
    Config config;
    try {
      config = get(admin.describeConfigs(List.of(resource)).all()).values().iterator().next();
    } catch (ExecutionException | java.util.concurrent.TimeoutException e) {
      throw KafkaFailures.of(address, "its configuration cannot be read", patience, e);
    }
    KEEPS.forEach(
        (key, value) -> {
          String found = value(config, key);
          if (!found.equals(value)) {
            throw new LogException(
                "%s: %s: %s (expected: %s, or the log would lose records by itself)"
                    .formatted(address, key, found, value));
          }
        });
    if (topic.partitions().getFirst().replicas().size() < 2
        || value(config, "min.insync.replicas").equals("1")) {
      log.warn(
          "{}: a record may be on one broker alone when it is acknowledged: a loss of that broker's"
              + " power can lose it (expected: two replicas or more, min.insync.replicas 2 or more)",
          address);
    }
  }

  private static String value(Config config, String key) {
    ConfigEntry entry = config.get(key);
    return entry == null || entry.value() == null ? "(none)" : entry.value();
  }

  /** Frees what lies before an offset of Kafka's. */
  void deleteBefore(long kafkaOffset) {
    TopicPartition partition = new TopicPartition(address.topic(), 0);
    try {
      var unused =
          get(
              admin
                  .deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(kafkaOffset)))
                  .all());
    } catch (ExecutionException | java.util.concurrent.TimeoutException e) {
      throw KafkaFailures.of(address, "records cannot be dropped", patience, e);
    }
  }

  private <T> T get(KafkaFuture<T> future)
      throws ExecutionException, java.util.concurrent.TimeoutException {
    try {
      return future.get(patience.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LogException(address + ": interrupted", e);
    }
  }

  @Override
  public void close() {
    admin.close(Duration.ZERO);
  }
}
