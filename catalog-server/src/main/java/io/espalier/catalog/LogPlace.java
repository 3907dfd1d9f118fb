package io.espalier.catalog;

import io.espalier.catalog.v1.Change;
import io.espalier.stores.log.LogException;
import io.espalier.stores.log.LogRecord;
import io.espalier.stores.log.RecordLog;
import java.security.SecureRandom;
import java.util.List;

/**
 * A change as no other is known: two logs that have the same place have the same changes up to it,
 * even where one of them lost its end and grew again.
 *
 * @param offset the change's
 * @param epoch drawn by the writer that gave it the offset; 0 when that is not known
 */
public record LogPlace(long offset, long epoch) {
  private static final SecureRandom EPOCHS = new SecureRandom();

  /** Before the first change to a catalogue of so many items. */
  public static LogPlace beginning(long items) {
    return new LogPlace(items, 0);
  }

  static LogPlace of(Change change) {
    return new LogPlace(change.getOffset(), change.getEpoch());
  }

  /**
   * Where a log has an offset.
   *
   * @throws LogException when it does not have it, or cannot be read
   */
  static LogPlace of(RecordLog records, long offset) {
    List<LogRecord> found = records.read(offset, 0);
    if (found.isEmpty()) {
      throw new LogException("offset " + offset + " (expected: at most " + records.end() + ")");
    }
    return of(CatalogWriter.message(found.getFirst()));
  }

  static long newEpoch() {
    long epoch = EPOCHS.nextLong();
    return epoch == 0 ? newEpoch() : epoch;
  }

  @Override
  public String toString() {
    return epoch == 0 ? String.valueOf(offset) : "%d of epoch %016x".formatted(offset, epoch);
  }
}
