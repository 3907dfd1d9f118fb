package io.espalier.stores.users;

import org.jspecify.annotations.Nullable;

/** Users' events could not be read or stored. */
public final class UserStateException extends RuntimeException {
  private final boolean late;

  private UserStateException(String message, @Nullable Throwable cause, boolean late) {
    super(message, cause);
    this.late = late;
  }

  /** The store did not answer in the time that it was given. */
  public static UserStateException late(String message, @Nullable Throwable cause) {
    return new UserStateException(message, cause, true);
  }

  /** The store is away, or refused. */
  public static UserStateException failed(String message, @Nullable Throwable cause) {
    return new UserStateException(message, cause, false);
  }

  /** Whether time ran out, rather than that the store is away or refused. */
  public boolean isLate() {
    return late;
  }
}
