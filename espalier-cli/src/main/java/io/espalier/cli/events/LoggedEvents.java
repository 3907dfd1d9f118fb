package io.espalier.cli.events;

import io.espalier.cli.cluster.RecordLogs;
import io.espalier.events.v1.EventRecord;
import io.espalier.router.events.EventCodec;
import io.espalier.stores.log.LogException;
import io.espalier.stores.users.UserKeys;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/** The event logs of some routers, one after another, as far as there are keys to read them. */
public final class LoggedEvents implements EventJoin.Events {
  private static final int BATCH = 512;
  private static final Duration KEYS_WITHIN = Duration.ofSeconds(30);

  private final List<String> logs;
  private final UserKeys keys;
  private long erased;

  public LoggedEvents(List<String> logs, UserKeys keys) {
    this.logs = List.copyOf(logs);
    this.keys = keys;
  }

  @Override
  public void forEach(Consumer<EventRecord> each) {
    erased = 0;
    for (String log : logs) {
      List<ByteBuffer> batch = new ArrayList<>(BATCH);
      RecordLogs.readAll(
          "--log",
          log,
          record -> {
            batch.add(record.payload());
            if (batch.size() == BATCH) {
              read(log, batch, each);
            }
          });
      read(log, batch, each);
    }
  }

  private void read(String log, List<ByteBuffer> batch, Consumer<EventRecord> each) {
    try {
      for (Optional<EventRecord> record : EventCodec.read(batch, keys, KEYS_WITHIN)) {
        if (record.isEmpty()) {
          erased++;
        }
        record.ifPresent(each);
      }
    } catch (IllegalArgumentException e) {
      throw new LogException(log + ": " + e.getMessage(), e);
    }
    batch.clear();
  }

  /** Records whose key was destroyed, of the last reading. */
  public long erased() {
    return erased;
  }
}
