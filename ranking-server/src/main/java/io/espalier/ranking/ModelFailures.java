package io.espalier.ranking;

import io.espalier.inference.ModelException;
import io.espalier.server.RequestException;

/** What a failed model call means to the caller of this server. */
final class ModelFailures {
  private ModelFailures() {}

  static RequestException toRequest(ModelException failure) {
    String message = failure.getMessage() == null ? failure.reason().name() : failure.getMessage();
    return switch (failure.reason()) {
      case QUEUE_FULL -> RequestException.resourceExhausted(message);
      case EXPIRED -> RequestException.deadlineExceeded(message);
      case INVALID_INPUT -> RequestException.failedPrecondition(message);
      case UNKNOWN_MODEL, NOT_READY, FAILED -> RequestException.unavailable(message);
    };
  }
}
