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
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.function.Consumer;

/**
 * The log of user events, a record each, sealed with the key of its user. It is never cut short;
 * what it says of a user can be read for as long as his key is there.
 */
final class EventLog implements AutoCloseable {
  private static final String FOLDER = "user-events";
  // Before what is sealed; a record of before there were keys begins with the length of a user's
  // id, which is less.
  private static final int SEALED = 0xFFFF;
  // Stands where an event has its kind, in records of before there were keys.
  private static final String ERASURE = "erasure";
  private static final int READ_BYTES = 1 << 20;

  private final FileLog log;
  private final Durability durability;
  private final UserKeys keys;

  private EventLog(FileLog log, Durability durability, UserKeys keys) {
    this.log = log;
    this.durability = durability;
    this.keys = keys;
  }

  /**
   * Opens or creates the log of a directory and hands every event in it that can be read to {@code
   * replay} and every user whom it says to be erased to {@code erasure}, in order.
   *
   * @throws LogException when it cannot be read, does not verify, or another store holds it
   */
  static EventLog open(
      Path directory,
      Durability durability,
      UserKeys keys,
      BiConsumer<String, UserEvent> replay,
      Consumer<String> erasure) {
    FileLog log = FileLog.open(directory.resolve(FOLDER), 1);
    try {
      for (long next = log.start(); next <= log.end(); ) {
        for (LogRecord record : log.read(next, READ_BYTES)) {
          byte[] payload = new byte[record.payload().remaining()];
          record.payload().get(payload);
          byte[] opened = opened(payload, keys);
          if (opened.length > 0) {
            decode(opened, replay, erasure);
          }
          next = record.offset() + 1;
        }
      }
      return new EventLog(log, durability, keys);
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
    UserKey key = Objects.requireNonNull(keys.keys(Set.of(user), Duration.ZERO).get(user), "key");
    return log.write(events.stream().map(event -> sealed(encode(user, event), key)).toList());
  }

  private static byte[] sealed(byte[] event, UserKey key) {
    return bytes(
        out -> {
          out.writeShort(SEALED);
          out.write(key.idBytes());
          out.write(key.seal(event));
        });
  }

  /** What a record says; nothing where its key was destroyed. */
  private static byte[] opened(byte[] record, UserKeys keys) throws IOException {
    ByteBuffer in = ByteBuffer.wrap(record);
    if (record.length < Short.BYTES + UserKey.ID_BYTES || (in.getShort() & 0xFFFF) != SEALED) {
      return record;
    }
    byte[] id = new byte[UserKey.ID_BYTES];
    in.get(id);
    String name = HexFormat.of().formatHex(id);
    UserKey key = keys.find(Set.of(name), Duration.ZERO).get(name);
    if (key == null) {
      return new byte[0];
    }
    byte[] sealed = new byte[in.remaining()];
    in.get(sealed);
    try {
      return key.open(sealed);
    } catch (GeneralSecurityException e) {
      throw new IOException("an event does not verify", e);
    }
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
      byte[] bytes, BiConsumer<String, UserEvent> replay, Consumer<String> erasure)
      throws IOException {
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
