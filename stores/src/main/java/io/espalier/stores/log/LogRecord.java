package io.espalier.stores.log;

/**
 * One record of a log.
 *
 * @param offset its place
 * @param payload its bytes, not to be changed
 */
public record LogRecord(long offset, byte[] payload) {}
