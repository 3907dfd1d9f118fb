package io.espalier.stores.kafka;

import io.espalier.stores.log.LogException;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;

/**
 * Where a log's records are in its topic, for some of them. From one record to a later one, Kafka's
 * offsets grow by at least as much as the log's.
 */
final class Places {
  // One in so many is kept of those that were read.
  private static final int SPARSE = 256;
  // So many places are rather read than halved.
  private static final int FEW = 1024;

  private final ConcurrentSkipListMap<Long, Long> known = new ConcurrentSkipListMap<>();

  void add(TopicReader.Placed record) {
    known.put(record.offset(), record.at());
  }

  /** Adds it if its turn has come, or if it is the first. */
  void pass(TopicReader.Placed record) {
    if (record.offset() % SPARSE == 0 || known.isEmpty()) {
      add(record);
    }
  }

  void dropBefore(long offset) {
    known.headMap(offset).clear();
  }

  /** A place at or little before that of a record, which lies between two that are known. */
  long before(long offset, TopicReader.Placed last, TopicReader reader) {
    Map.Entry<Long, Long> below = known.floorEntry(offset);
    if (below == null) {
      throw new LogException("offset " + offset + ": before all that is known");
    }
    Map.Entry<Long, Long> above = known.ceilingEntry(offset);
    long low = below.getValue() + (offset - below.getKey());
    long high =
        above == null
            ? last.at() - (last.offset() - offset)
            : above.getValue() - (above.getKey() - offset);
    while (high - low > FEW) {
      long middle = low + (high - low) / 2;
      TopicReader.Placed found = reader.firstFrom(middle);
      if (found == null) {
        throw new LogException("no record from " + middle + " on (expected: " + last + ")");
      }
      add(found);
      if (found.offset() <= offset) {
        low = found.at() + (offset - found.offset());
      } else {
        high = middle - 1;
      }
    }
    return low;
  }
}
