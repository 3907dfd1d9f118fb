package io.espalier.router;

import io.espalier.router.v1.DegradationReason;
import io.espalier.server.RequestException;
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

    /** What the caller is told when his answer needs the stage that did not answer. */
    RequestException failure(String stage) {
      return switch (status.getCode()) {
        case DEADLINE_EXCEEDED ->
            RequestException.deadlineExceeded(stage + ": late (expected: an answer in its budget)");
        case RESOURCE_EXHAUSTED ->
            RequestException.resourceExhausted(
                stage + ": overloaded (expected: room for the call)");
        case INVALID_ARGUMENT -> RequestException.invalidArgument(stage + ": " + words());
        case NOT_FOUND, FAILED_PRECONDITION ->
            RequestException.failedPrecondition(stage + ": " + words());
        default -> RequestException.unavailable(stage + ": down (expected: an answer)");
      };
    }
  }
}
