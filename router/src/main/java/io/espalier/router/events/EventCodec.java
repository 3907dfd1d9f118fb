package io.espalier.router.events;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Timestamp;
import io.espalier.events.v1.EventRecord;
import io.espalier.events.v1.LoggedRecord;
import io.espalier.events.v1.SealedRecord;
import io.espalier.stores.users.UserKey;
import io.espalier.stores.users.UserKeys;
import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Records of the event log as bytes, sealed with their user's key where they have one. */
public final class EventCodec {
  private EventCodec() {}

  /** A record as it is logged; open where there is no key. */
  static byte[] write(EventRecord record, @Nullable UserKey key) {
    LoggedRecord.Builder logged = LoggedRecord.newBuilder();
    if (key == null) {
      logged.setOpen(record);
    } else {
      logged.setSealed(
          SealedRecord.newBuilder()
              .setKeyId(ByteString.copyFrom(key.idBytes()))
              .setSealed(ByteString.copyFrom(key.seal(record.toByteArray()))));
    }
    return logged.build().toByteArray();
  }

  /**
   * What logged records say, in order; empty for those whose key was destroyed.
   *
   * @param within how long a server that has the keys is waited for
   * @throws IllegalArgumentException when one is no such record, or does not verify
   */
  public static List<Optional<EventRecord>> read(
      List<ByteBuffer> records, UserKeys keys, Duration within) {
    List<LoggedRecord> logged = new ArrayList<>(records.size());
    Set<String> ids = new HashSet<>();
    try {
      for (ByteBuffer record : records) {
        LoggedRecord one = LoggedRecord.parseFrom(record);
        logged.add(one);
        if (one.hasSealed()) {
          ids.add(id(one));
        }
      }
      Map<String, UserKey> known = keys.find(ids, within);
      List<Optional<EventRecord>> read = new ArrayList<>(logged.size());
      for (LoggedRecord one : logged) {
        read.add(opened(one, known));
      }
      return read;
    } catch (InvalidProtocolBufferException | GeneralSecurityException e) {
      throw new IllegalArgumentException("an event cannot be read: " + e.getMessage(), e);
    }
  }

  private static Optional<EventRecord> opened(LoggedRecord logged, Map<String, UserKey> keys)
      throws InvalidProtocolBufferException, GeneralSecurityException {
    if (!logged.hasSealed()) {
      return Optional.of(logged.getOpen());
    }
    UserKey key = keys.get(id(logged));
    return key == null
        ? Optional.empty()
        : Optional.of(
            EventRecord.parseFrom(key.open(logged.getSealed().getSealed().toByteArray())));
  }

  private static String id(LoggedRecord logged) {
    return HexFormat.of().formatHex(logged.getSealed().getKeyId().toByteArray());
  }

  /** An instant in protobuf's form. */
  public static Timestamp timestamp(Instant time) {
    return Timestamp.newBuilder()
        .setSeconds(time.getEpochSecond())
        .setNanos(time.getNano())
        .build();
  }

  /** A time of protobuf's as an instant. */
  public static Instant instant(Timestamp time) {
    return Instant.ofEpochSecond(time.getSeconds(), time.getNanos());
  }
}
