package io.espalier.stores.log;

import java.nio.ByteBuffer;

/**
 * One record of a log.
 *
 * @param offset its place
 * @param payload its bytes, read-only
 */
public record LogRecord(long offset, ByteBuffer payload) {
  public LogRecord {
    payload = payload.asReadOnlyBuffer();
  }
}
