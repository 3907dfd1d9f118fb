package io.espalier.stores.log;

/**
 * A log that cannot be written or read; the message names the log and the place.
 *
 * @see LostLeaseException
 */
public class LogException extends RuntimeException {
  private static final long serialVersionUID = 1;

  public LogException(String message) {
    super(message);
  }

  public LogException(String message, Throwable cause) {
    super(message, cause);
  }
}
