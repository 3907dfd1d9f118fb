package io.espalier.cli.cluster;

import io.espalier.server.ConfigException;
import io.espalier.stores.kafka.KafkaAddress;
import io.espalier.stores.kafka.KafkaLog;
import io.espalier.stores.log.FileLog;
import io.espalier.stores.log.LogRecord;
import io.espalier.stores.log.RecordLog;
import java.nio.file.Path;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** Which log of records is meant, by where it is said to be. */
public final class RecordLogs {
  private RecordLogs() {}

  /**
   * Opens a log, or begins it, as its writer.
   *
   * @param key of the configuration, for errors
   * @param where a folder, or an address of Kafka's
   * @param first the offset of a new log's first record
   * @throws ConfigException when it is neither
   */
  static RecordLog open(String key, String where, long first) {
    return isKafka(where)
        ? KafkaLog.open(address(key, where), first)
        : FileLog.open(folder(key, where), first);
  }

  /**
   * What opens a log that may be away now: Kafka's is opened when it is asked for, as often as that
   * is; a folder's at once, so that a start tells what is wrong with it.
   */
  static Supplier<RecordLog> later(String key, String where, long first) {
    if (isKafka(where)) {
      KafkaAddress address = address(key, where);
      return () -> KafkaLog.open(address, first);
    }
    RecordLog log = FileLog.open(folder(key, where), first);
    return () -> log;
  }

  /**
   * Reads every record of a log as it is now, in order, whoever writes it.
   *
   * @throws ConfigException when {@code where} is neither a folder nor an address of Kafka's
   */
  public static void readAll(String key, String where, Consumer<LogRecord> each) {
    if (isKafka(where)) {
      KafkaLog.readAll(address(key, where), each);
    } else {
      FileLog.readAll(folder(key, where), each);
    }
  }

  private static boolean isKafka(String where) {
    return where.startsWith(KafkaAddress.SCHEME);
  }

  private static KafkaAddress address(String key, String where) {
    try {
      return KafkaAddress.parse(where);
    } catch (IllegalArgumentException e) {
      throw new ConfigException(key + ": " + e.getMessage());
    }
  }

  private static Path folder(String key, String where) {
    if (where.isBlank() || where.contains("://")) {
      throw new ConfigException(
          "%s: \"%s\" (expected: a folder, or %shost:port/topic)"
              .formatted(key, where, KafkaAddress.SCHEME));
    }
    return Path.of(where);
  }
}
