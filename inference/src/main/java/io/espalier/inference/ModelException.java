package io.espalier.inference;

import java.util.Objects;

/**
 * A refusal or failure of a model call, in the runner's own terms, whatever engine is behind it.
 */
public final class ModelException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Why a call was refused or failed. */
  public enum Reason {
    /** The repository has no such model. */
    UNKNOWN_MODEL,
    /** The inputs do not fit the model's specification. */
    INVALID_INPUT,
    /** The model is loading, failed to load, or the runner is closed. */
    NOT_READY,
    /** The queue holds as many calls as it may, or more than can be served in a call's time. */
    QUEUE_FULL,
    /** The deadline or the queue's timeout passed before the work could start or end. */
    EXPIRED,
    /** The engine failed. */
    FAILED
  }

  private final Reason reason;

  public ModelException(Reason reason, String message) {
    super(message);
    this.reason = Objects.requireNonNull(reason, "reason");
  }

  public ModelException(Reason reason, String message, Throwable cause) {
    super(message, cause);
    this.reason = Objects.requireNonNull(reason, "reason");
  }

  public Reason reason() {
    return reason;
  }
}
