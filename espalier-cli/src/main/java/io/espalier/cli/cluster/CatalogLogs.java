package io.espalier.cli.cluster;

import io.espalier.server.ConfigException;
import io.espalier.stores.kafka.KafkaAddress;
import io.espalier.stores.kafka.KafkaLog;
import io.espalier.stores.log.FileLog;
import io.espalier.stores.log.RecordLog;
import java.nio.file.Path;

/** Which log a catalogue's writer keeps, by where it is said to be. */
final class CatalogLogs {
  private CatalogLogs() {}

  /**
   * Opens the log, or begins it.
   *
   * @param where a folder, or an address of Kafka's
   * @param first the offset of a new log's first record
   * @throws ConfigException when it is neither
   */
  static RecordLog open(String where, long first) {
    if (where.startsWith(KafkaAddress.SCHEME)) {
      KafkaAddress address;
      try {
        address = KafkaAddress.parse(where);
      } catch (IllegalArgumentException e) {
        throw new ConfigException("catalog_log: " + e.getMessage());
      }
      return KafkaLog.open(address, first);
    }
    if (where.isBlank() || where.contains("://")) {
      throw new ConfigException(
          "catalog_log: \"%s\" (expected: a folder, or %shost:port/topic)"
              .formatted(where, KafkaAddress.SCHEME));
    }
    return FileLog.open(Path.of(where), first);
  }
}
