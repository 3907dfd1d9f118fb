package io.espalier.stores.users;

import io.espalier.stores.log.FileLog;
import io.espalier.stores.log.LogException;
import io.espalier.stores.log.LogRecord;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.BiConsumer;
import java.util.function.Consumer;

/**
 * The log of user events, a record each. It is never cut short: it is also the record that models
 * learn from.
 */
final class EventLog implements AutoCloseable {
  private static final String FOLDER = "user-events";
  // Stands where an event has its kind.
  private static final String ERASURE = "erasure";
  private static final int READ_BYTES = 1 << 20;

  private final FileLog log;
  private final Durability durability;

  private EventLog(FileLog log, Durability durability) {
    this.log = log;
    this.durability = durability;
  }

  /**
   * Opens or creates the log of a directory and hands every event in it to {@code replay} and every
   * user who was erased to {@code erasure}, in order.
   *
   * @throws LogException when it cannot be read, does not verify, or another store holds it
   */
  static EventLog open(
      Path directory,
      Durability durability,
      BiConsumer<String, UserEvent> replay,
      Consumer<String> erasure) {
    FileLog log = FileLog.open(directory.resolve(FOLDER), 1);
    try {
      for (long next = log.start(); next <= log.end(); ) {
        for (LogRecord record : log.read(next, READ_BYTES)) {
          decode(record.payload(), replay, erasure);
          next = record.offset() + 1;
        }
      }
      return new EventLog(log, durability);
    } catch (IOException e) {
      log.close();
      throw new LogException(directory + ": an event cannot be read", e);
    } catch (RuntimeException e) {
      log.close();
      throw e;
    }
  }

  /**
   * Writes events; {@link #await} makes them as safe as the durability says.
   *
   * @return where the log ends then
   * @throws LogException when they could not be written; none of them is in the log then
   */
  long append(String user, List<UserEvent> events) {
    return log.write(events.stream().map(event -> encode(user, event)).toList());
  }

  /**
   * Writes that nothing before it is known of a user any more.
   *
   * @return where the log ends then
   * @throws LogException when it could not be written; it is not in the log then
   */
  long appendErasure(String user) {
    return log.write(
        List.of(
            bytes(
                out -> {
                  out.writeUTF(user);
                  out.writeUTF("");
                  out.writeUTF("");
                  out.writeUTF(ERASURE);
                })));
  }

  /** Where the log ends now. */
  long end() {
    return log.written();
  }

  /**
   * Waits until everything up to {@code position} is as safe as the durability says.
   *
   * @throws LogException when it could not be made so; whether it is in the log is open then
   */
  void await(long position) {
    if (durability == Durability.FORCED) {
      log.force(position);
    }
  }

  @Override
  public void close() {
    log.close();
  }

  private static byte[] encode(String user, UserEvent event) {
    return bytes(
        out -> {
          out.writeUTF(user);
          out.writeUTF(event.eventId());
          out.writeUTF(event.itemId());
          out.writeUTF(event.kind().label());
          Instant time = event.time();
          out.writeLong(time.getEpochSecond());
          out.writeInt(time.getNano());
          out.writeUTF(event.requestId());
          out.writeInt(event.position().orElse(-1));
        });
  }

  private interface Writing {
    void to(DataOutputStream out) throws IOException;
  }

  private static byte[] bytes(Writing writing) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (DataOutputStream out = new DataOutputStream(bytes)) {
      writing.to(out);
    } catch (IOException e) {
      throw new AssertionError("an array takes every write", e);
    }
    return bytes.toByteArray();
  }

  private static void decode(
      ByteBuffer payload, BiConsumer<String, UserEvent> replay, Consumer<String> erasure)
      throws IOException {
    byte[] bytes = new byte[payload.remaining()];
    payload.get(bytes);
    try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes))) {
      String user = in.readUTF();
      String eventId = in.readUTF();
      String itemId = in.readUTF();
      String kind = in.readUTF();
      if (kind.equals(ERASURE)) {
        erasure.accept(user);
        return;
      }
      Instant time = Instant.ofEpochSecond(in.readLong(), in.readInt());
      String requestId = in.readUTF();
      int position = in.readInt();
      replay.accept(
          user,
          new UserEvent(
              eventId,
              itemId,
              EventKind.parse(kind)
                  .orElseThrow(() -> new IOException("kind: " + kind + " (expected: a known one)")),
              time,
              requestId,
              position < 0 ? OptionalInt.empty() : OptionalInt.of(position)));
    }
  }
}
