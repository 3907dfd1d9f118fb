package io.espalier.stores.redis;

import io.espalier.stores.users.EventKind;
import io.espalier.stores.users.UserEvent;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.Arrays;
import java.util.OptionalInt;
import java.util.UUID;

/**
 * Events as bytes whose order is {@link UserEvent#ORDER}, so that a sorted set of equal scores
 * keeps them in it: the seconds with their sign turned, the nanoseconds, then the texts, each ended
 * by a zero byte: item, event id, kind, request id, position.
 *
 * <p>Java's own form of UTF-8 has no zero byte and keeps the order of UTF-16. An event without an
 * id ends in a random number: two of them are two, however equal.
 */
final class EventCodec {
  private static final int TIME_BYTES = Long.BYTES + Integer.BYTES;

  private EventCodec() {}

  static byte[] encode(UserEvent event) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    bytes.writeBytes(time(event.time()));
    text(bytes, event.itemId());
    text(bytes, event.eventId());
    text(bytes, event.kind().label());
    text(bytes, event.requestId());
    OptionalInt position = event.position();
    text(bytes, position.isPresent() ? Integer.toString(position.getAsInt()) : "");
    if (event.eventId().isEmpty()) {
      UUID unique = UUID.randomUUID();
      bytes.writeBytes(
          ByteBuffer.allocate(16)
              .putLong(unique.getMostSignificantBits())
              .putLong(unique.getLeastSignificantBits())
              .array());
    }
    return bytes.toByteArray();
  }

  /**
   * The event of such bytes.
   *
   * @throws IOException when they are none
   */
  static UserEvent decode(byte[] bytes) throws IOException {
    if (bytes.length < TIME_BYTES) {
      throw new IOException(bytes.length + " bytes (expected: an event)");
    }
    ByteBuffer in = ByteBuffer.wrap(bytes);
    Instant time = Instant.ofEpochSecond(in.getLong() ^ Long.MIN_VALUE, in.getInt());
    String item = text(in);
    String id = text(in);
    String kind = text(in);
    String request = text(in);
    String position = text(in);
    try {
      return new UserEvent(
          id,
          item,
          EventKind.parse(kind)
              .orElseThrow(() -> new IOException("kind: " + kind + " (expected: a known one)")),
          time,
          request,
          position.isEmpty() ? OptionalInt.empty() : OptionalInt.of(Integer.parseInt(position)));
    } catch (IllegalArgumentException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  /** A time in the form that an event begins with. */
  static byte[] time(Instant time) {
    return ByteBuffer.allocate(TIME_BYTES)
        .putLong(time.getEpochSecond() ^ Long.MIN_VALUE)
        .putInt(time.getNano())
        .array();
  }

  /**
   * The time that bytes begin with.
   *
   * @throws IOException when there are too few
   */
  static Instant time(byte[] bytes) throws IOException {
    if (bytes.length < TIME_BYTES) {
      throw new IOException(bytes.length + " bytes (expected: a time)");
    }
    ByteBuffer in = ByteBuffer.wrap(bytes);
    return Instant.ofEpochSecond(in.getLong() ^ Long.MIN_VALUE, in.getInt());
  }

  /** A text in the form that it has within an event. */
  static byte[] text(String text) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (DataOutputStream out = new DataOutputStream(bytes)) {
      out.writeUTF(text);
    } catch (IOException e) {
      throw new AssertionError("an array takes every write", e);
    }
    byte[] written = bytes.toByteArray();
    return Arrays.copyOfRange(written, Short.BYTES, written.length);
  }

  private static void text(ByteArrayOutputStream bytes, String text) {
    bytes.writeBytes(text(text));
    bytes.write(0);
  }

  private static String text(ByteBuffer in) throws IOException {
    int end = in.position();
    while (end < in.limit() && in.get(end) != 0) {
      end++;
    }
    if (end == in.limit()) {
      throw new IOException(in.limit() + " bytes (expected: five texts, each ended by a zero)");
    }
    int length = end - in.position();
    byte[] written = new byte[Short.BYTES + length];
    ByteBuffer.wrap(written).putShort((short) length);
    in.get(written, Short.BYTES, length);
    in.get();
    try (DataInputStream read = new DataInputStream(new ByteArrayInputStream(written))) {
      return read.readUTF();
    }
  }
}
