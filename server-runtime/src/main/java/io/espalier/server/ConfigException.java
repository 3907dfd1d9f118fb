package io.espalier.server;

/**
 * A configuration that cannot be used: the message names the file, the key, its value and the
 * expectation.
 */
public final class ConfigException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public ConfigException(String message) {
    super(message);
  }
}
