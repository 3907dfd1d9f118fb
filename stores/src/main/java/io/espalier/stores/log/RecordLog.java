package io.espalier.stores.log;

import java.time.Duration;
import java.util.List;

/**
 * A durable sequence of records with one writer and any number of readers.
 *
 * <p>Offsets are consecutive; the first is the one that the log was created with. Safe for use by
 * several threads.
 */
public interface RecordLog extends AutoCloseable {

  /**
   * Appends records, and returns once they would survive a loss of power.
   *
   * @return the offset of the last of them
   * @throws LostLeaseException when another writer has taken the log over; this log takes no more
   *     appends
   * @throws LogException when they could not be made durable. None of them is in the log then; or
   *     the log takes no more appends, or none until it knows. Where it finds out that they are in
   *     it, it refuses one append more, so that a writer that looks at {@link #end} after each
   *     failure misses nothing.
   */
  long append(List<byte[]> records);

  /**
   * Whether it takes appends, as far as is known: no other writer has taken it over, and it is
   * whole.
   */
  boolean isWriter();

  /** The offset of the first record that is still kept; {@code end() + 1} when there is none. */
  long start();

  /**
   * The offset of the last durable record; one below the first ever when there is none.
   *
   * @throws LogException when that cannot be known at present
   */
  long end();

  /**
   * Reads durable records, in order.
   *
   * @param from the first offset wanted
   * @param maxBytes records are added while their payloads stay within it; at least one is given
   * @return empty when {@code from} is beyond the end
   * @throws LogException when {@code from} is before {@link #start}, or a record does not verify
   */
  List<LogRecord> read(long from, int maxBytes);

  /** Waits until a record of this offset is durable; returns whether it is. */
  boolean await(long offset, Duration patience) throws InterruptedException;

  /** Frees what records before an offset take, as far as the log can; readers see a later start. */
  void dropBefore(long offset);

  @Override
  void close();
}
