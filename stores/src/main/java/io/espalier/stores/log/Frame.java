package io.espalier.stores.log;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * A record as it stands in a file: magic number, length, offset, the last offset that was known to
 * be safe when it was written, CRC-32C of all that and the payload, payload.
 *
 * @param offset the record's place in the log
 * @param safe records up to this one were forced before this one was written
 * @param payload the record, read-only
 * @param size bytes in the file
 */
record Frame(long offset, long safe, ByteBuffer payload, int size) {
  static final int MAGIC = 0x45534C46; // ESLF
  static final int HEADER = 3 * Integer.BYTES + 2 * Long.BYTES;
  static final int MAX_PAYLOAD = 1 << 24;
  private static final int CRC_AT = HEADER - Integer.BYTES;
  // What has it is no record: it stands after the last one until the next takes its place, and says
  // only what is safe.
  private static final long MARK = -1;

  static void put(ByteBuffer out, long offset, long safe, byte[] payload) {
    int start = out.position();
    out.putInt(MAGIC).putInt(payload.length).putLong(offset).putLong(safe);
    out.putInt(checksum(out.array(), out.arrayOffset() + start, payload)).put(payload);
  }

  /** What says that records up to one are safe, and is none itself. */
  static byte[] mark(long safe) {
    ByteBuffer out = ByteBuffer.allocate(HEADER);
    put(out, MARK, safe, new byte[0]);
    return out.array();
  }

  boolean isMark() {
    return offset == MARK;
  }

  private static int checksum(byte[] header, int at, byte[] payload) {
    CRC32C crc = new CRC32C();
    crc.update(header, at, CRC_AT);
    crc.update(payload, 0, payload.length);
    return (int) crc.getValue();
  }

  /** The whole frame at a position; null when there is none. */
  static @Nullable Frame read(LogFiles.LogFile file, long position) throws IOException {
    ByteBuffer header = ByteBuffer.allocate(HEADER);
    file.read(header, position);
    if (header.hasRemaining() || header.getInt(0) != MAGIC) {
      return null;
    }
    int length = header.getInt(Integer.BYTES);
    if (length < 0 || length > MAX_PAYLOAD || length > file.size() - position - HEADER) {
      return null;
    }
    ByteBuffer payload = ByteBuffer.allocate(length);
    file.read(payload, position + HEADER);
    if (payload.hasRemaining()
        || checksum(header.array(), 0, payload.array()) != header.getInt(CRC_AT)) {
      return null;
    }
    return new Frame(
        header.getLong(2 * Integer.BYTES),
        header.getLong(2 * Integer.BYTES + Long.BYTES),
        payload.flip().asReadOnlyBuffer(),
        HEADER + length);
  }
}
