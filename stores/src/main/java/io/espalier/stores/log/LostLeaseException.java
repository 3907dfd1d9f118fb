package io.espalier.stores.log;

/** Another writer has taken the log over: this one appends nothing any more. */
public final class LostLeaseException extends LogException {
  private static final long serialVersionUID = 1;

  public LostLeaseException(String message) {
    super(message);
  }

  public LostLeaseException(String message, Throwable cause) {
    super(message, cause);
  }
}
