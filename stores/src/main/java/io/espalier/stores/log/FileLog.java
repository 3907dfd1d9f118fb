package io.espalier.stores.log;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A log in the files of one folder, which one process at a time holds.
 *
 * <p>Records stand in segments, each forced whole before the next one is begun. Appends that wait
 * at the same time share a force. What a crash left unfinished after the last record that was
 * forced is put aside and the log goes on before it; a record that had been forced and no longer
 * verifies, which a later one or a mark tells, is an error that changes nothing on the disk.
 */
public final class FileLog implements RecordLog {
  private static final Logger log = LoggerFactory.getLogger(FileLog.class);
  private static final long SEGMENT_BYTES = 64L << 20;
  private static final int READ_BYTES = 4 << 20;

  private final LogFiles files;
  private final AutoCloseable folder;
  private final long segmentBytes;
  // By first offset; guarded by this.
  private final TreeMap<Long, Segment> segments = new TreeMap<>();
  private final Object writing = new Object();
  private final Object forcing = new Object();
  // The last offset that was written; guarded by writing.
  private long written;
  private volatile long safe;
  private volatile boolean broken;

  private FileLog(LogFiles files, AutoCloseable folder, long segmentBytes) {
    this.files = files;
    this.folder = folder;
    this.segmentBytes = segmentBytes;
  }

  /**
   * Opens the log of a folder, or begins one.
   *
   * @param first the offset of a new log's first record
   * @throws LogException when it cannot be read, does not verify, or is held by another process
   */
  public static FileLog open(Path folder, long first) {
    try {
      DiskFiles files = DiskFiles.open(folder);
      try {
        return open(files, files, first, SEGMENT_BYTES);
      } catch (RuntimeException e) {
        files.close();
        throw e;
      }
    } catch (IOException e) {
      throw new LogException(folder + ": cannot be opened", e);
    }
  }

  /**
   * Reads every record of a folder's log as it is now, in order, whoever holds it; changes nothing.
   *
   * @throws LogException when there is no log, or a record does not verify
   */
  public static void readAll(Path folder, Consumer<LogRecord> each) {
    try {
      readAll(DiskFiles.toRead(folder), each);
    } catch (IOException e) {
      throw new LogException(folder + ": cannot be read", e);
    }
  }

  private static void readAll(LogFiles files, Consumer<LogRecord> each) throws IOException {
    List<Long> starts = starts(files);
    if (starts.isEmpty()) {
      throw new LogException(files + ": no log (expected: one)");
    }
    for (int i = 0; i < starts.size(); i++) {
      Segment segment = Segment.open(files, starts.get(i));
      try {
        // The last may be in the middle of an append.
        segment.scan();
        if (i < starts.size() - 1 && segment.next() != starts.get(i + 1)) {
          throw new LogException(segment + ": record " + segment.next() + " does not verify");
        }
        for (long next = segment.first(); next < segment.next(); ) {
          List<LogRecord> records = new ArrayList<>();
          segment.read(next, segment.next() - 1, READ_BYTES, records);
          records.forEach(each);
          next = records.getLast().offset() + 1;
        }
      } finally {
        segment.close();
      }
    }
  }

  private static List<Long> starts(LogFiles files) throws IOException {
    return files.list().stream()
        .map(Segment::first)
        .flatMapToLong(OptionalLong::stream)
        .sorted()
        .boxed()
        .toList();
  }

  static FileLog open(LogFiles files, AutoCloseable folder, long first, long segmentBytes) {
    FileLog opened = new FileLog(files, folder, segmentBytes);
    try {
      opened.recover(first);
      return opened;
    } catch (IOException e) {
      opened.closeSegments(e);
      throw new LogException(files + ": cannot be read", e);
    } catch (RuntimeException e) {
      opened.closeSegments(e);
      throw e;
    }
  }

  private synchronized void closeSegments(Exception reason) {
    for (Segment segment : segments.values()) {
      try {
        segment.close();
      } catch (IOException e) {
        reason.addSuppressed(e);
      }
    }
  }

  private synchronized void recover(long first) throws IOException {
    List<Long> starts = starts(files);
    for (int i = 0; i < starts.size(); i++) {
      Segment segment = Segment.open(files, starts.get(i));
      segments.put(segment.first(), segment);
      segment.scan();
      boolean last = i == starts.size() - 1;
      if (last ? segment.hasRest() : segment.next() != starts.get(i + 1)) {
        if (!last || segment.wasSafe(segment.next())) {
          throw new LogException(
              segment
                  + ": record "
                  + segment.next()
                  + " at "
                  + segment.size()
                  + " does not verify");
        }
        setAside(segment);
      }
    }
    if (segments.isEmpty()) {
      begin(first);
    }
    Segment last = segments.lastEntry().getValue();
    // What was written but perhaps not forced before is there: from now on it counts.
    last.force();
    written = last.next() - 1;
    safe = written;
    mark();
  }

  private void setAside(Segment segment) throws IOException {
    byte[] rest = segment.rest();
    String name = aside(segment);
    LogFiles.LogFile file = files.open(name);
    try (file) {
      file.write(rest, 0);
      file.force();
    }
    files.force();
    segment.undo();
    segment.force();
    log.warn(
        "{}: {} unfinished bytes after record {} were put aside as {}",
        files,
        rest.length,
        segment.next() - 1,
        name);
  }

  private String aside(Segment segment) throws IOException {
    List<String> taken = files.list();
    int number = 0;
    String name;
    do {
      name = "unfinished-%d-%d".formatted(segment.next(), number++);
    } while (taken.contains(name));
    return name;
  }

  private void begin(long first) throws IOException {
    Segment segment = Segment.open(files, first);
    try {
      files.force();
    } catch (IOException | RuntimeException e) {
      segment.close();
      throw e;
    }
    segments.put(first, segment);
  }

  @Override
  public long append(List<byte[]> records) {
    long last = write(records);
    force(last);
    return last;
  }

  /** The lock on the folder goes with this log and not before. */
  @Override
  public boolean isWriter() {
    return !broken;
  }

  /**
   * Writes records so that they outlive this process, but for a loss of power; {@link #force} makes
   * up for that, and readers see them from then on.
   *
   * @return the offset of the last of them
   * @throws LogException when they could not be written; none of them is in the log then
   */
  public long write(List<byte[]> records) {
    synchronized (writing) {
      if (broken) {
        throw new LogException(files + ": a write could not be undone or forced before");
      }
      for (byte[] record : records) {
        if (record.length > Frame.MAX_PAYLOAD) {
          throw new LogException(
              "record: " + record.length + " bytes (expected: at most " + Frame.MAX_PAYLOAD + ")");
        }
      }
      Segment segment = writable();
      try {
        segment.append(records, safe);
      } catch (IOException e) {
        undo(segment, e);
        throw new LogException(files + ": cannot be written", e);
      }
      written = segment.next() - 1;
      return written;
    }
  }

  /** The offset of the last record that was written, forced or not. */
  public long written() {
    synchronized (writing) {
      return written;
    }
  }

  private Segment writable() {
    Segment segment = last();
    if (segment.size() < segmentBytes) {
      return segment;
    }
    // The next segment says by its being there that this one is whole.
    try {
      segment.force();
    } catch (IOException e) {
      throw unforced(e);
    }
    advance(written);
    try {
      synchronized (this) {
        begin(segment.next());
      }
    } catch (IOException e) {
      throw new LogException(files + ": no new segment", e);
    }
    return last();
  }

  private synchronized Segment last() {
    return segments.lastEntry().getValue();
  }

  private void undo(Segment segment, IOException reason) {
    try {
      segment.undo();
    } catch (IOException e) {
      reason.addSuppressed(e);
      broken = true;
    }
  }

  /** Returns once a record that was written would survive a loss of power. */
  public void force(long offset) {
    synchronized (forcing) {
      // Whoever waited for this lock was most likely covered by the force that held it.
      if (safe >= offset) {
        return;
      }
      if (broken) {
        throw new LogException(files + ": a write could not be undone or forced before");
      }
      Segment segment;
      long covered;
      synchronized (writing) {
        covered = written;
        segment = last();
      }
      try {
        segment.force();
      } catch (IOException e) {
        throw unforced(e);
      }
      advance(covered);
      mark();
    }
  }

  /** Lets the log know later that its last records were safe, which no record after them says. */
  private void mark() {
    synchronized (writing) {
      if (broken) {
        return;
      }
      try {
        last().mark(safe);
      } catch (IOException e) {
        log.debug("{}: what is safe could not be marked", files, e);
        undo(last(), e);
      }
    }
  }

  // What the page cache still holds after a failed force is unknown: nothing may build on it.
  private LogException unforced(IOException reason) {
    broken = true;
    return new LogException(files + ": cannot be forced", reason);
  }

  private synchronized void advance(long offset) {
    safe = Math.max(safe, offset);
    notifyAll();
  }

  @Override
  public synchronized long start() {
    return segments.firstKey();
  }

  @Override
  public long end() {
    return safe;
  }

  @Override
  public List<LogRecord> read(long from, int maxBytes) {
    List<LogRecord> records = new ArrayList<>();
    long last = safe;
    long next = from;
    while (next <= last) {
      Map.Entry<Long, Segment> segment;
      long until;
      synchronized (this) {
        segment = segments.floorEntry(next);
        if (segment == null) {
          throw new LogException(
              files + ": offset " + next + " (expected: from " + start() + " on)");
        }
        Long after = segments.higherKey(next);
        until = after == null ? last : Math.min(last, after - 1);
      }
      int before = records.size();
      try {
        segment.getValue().read(next, until, maxBytes, records);
      } catch (IOException e) {
        throw new LogException(files + ": cannot be read", e);
      }
      if (records.size() == before || records.getLast().offset() < until) {
        break;
      }
      next = until + 1;
    }
    return records;
  }

  @Override
  public synchronized boolean await(long offset, Duration patience) throws InterruptedException {
    long until = System.nanoTime() + patience.toNanos();
    for (long left = patience.toNanos(); safe < offset && left > 0; ) {
      TimeUnit.NANOSECONDS.timedWait(this, left);
      left = until - System.nanoTime();
    }
    return safe >= offset;
  }

  @Override
  public void dropBefore(long offset) {
    synchronized (forcing) {
      synchronized (this) {
        try {
          for (Long after = segments.higherKey(start());
              after != null && after <= offset;
              after = segments.higherKey(start())) {
            files.delete(Segment.name(start()));
            // In order: a log never has a hole.
            files.force();
            segments.pollFirstEntry().getValue().close();
          }
        } catch (IOException e) {
          throw new LogException(files + ": records before " + offset + " cannot be dropped", e);
        }
      }
    }
  }

  /** Forces what was written, and lets go of the folder. */
  @Override
  public void close() {
    synchronized (writing) {
      synchronized (this) {
        // Whatever fails, the folder is let go of.
        try (folder) {
          try {
            if (!broken) {
              segments.lastEntry().getValue().force();
            }
          } finally {
            broken = true;
            for (Segment segment : segments.values()) {
              segment.close();
            }
          }
        } catch (Exception e) {
          throw new LogException(files + ": cannot be closed", e);
        }
      }
    }
  }
}
