package io.espalier.router;

import io.espalier.router.v1.DegradationReason;
import io.grpc.Status;

/** How a stage's call ended. */
sealed interface Outcome<T> {
  /** In time, with an answer. */
  record Answered<T>(T value) implements Outcome<T> {}

  /** Late, refused or failed. */
  record Missed<T>(DegradationReason reason, Status status) implements Outcome<T> {
    static <T> Missed<T> of(Status status) {
      return new Missed<>(
          switch (status.getCode()) {
            case DEADLINE_EXCEEDED -> DegradationReason.DEGRADATION_REASON_LATE;
            case RESOURCE_EXHAUSTED -> DegradationReason.DEGRADATION_REASON_OVERLOADED;
            default -> DegradationReason.DEGRADATION_REASON_FAILED;
          },
          status);
    }

    /**
     * The status in words that may leave the cluster: a message only where its author wrote it for
     * callers.
     */
    String words() {
      String description = status.getDescription();
      return switch (status.getCode()) {
        case INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION ->
            status.getCode() + (description == null ? "" : ": " + description);
        default -> status.getCode().name();
      };
    }
  }
}
