package io.espalier.inference.triton;

import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.grpc.Status;
import java.nio.channels.ClosedChannelException;

/** What Triton's statuses mean, some of which only its words tell apart. */
final class StatusReasons {
  private StatusReasons() {}

  static ModelException exception(String model, Throwable error) {
    Status status = Status.fromThrowable(error);
    String description = status.getDescription() == null ? "" : status.getDescription();
    return new ModelException(
        reason(status, description), model + ": " + status.getCode() + ": " + description, error);
  }

  /** A failure in words: its status, and what lies at the bottom of it. */
  static String words(Throwable error) {
    Status status = Status.fromThrowable(error);
    Throwable root = status.getCause();
    while (root != null && root.getCause() != null) {
      root = root.getCause();
    }
    // The second line is of the channel's pipeline.
    String description = status.getDescription() == null ? "" : status.getDescription();
    String words = status.getCode() + ": " + description.lines().findFirst().orElse("");
    return root == null ? words : words + " (" + root.getMessage() + ")";
  }

  /** Whether the server does not have the model loaded, or never heard of it. */
  static boolean lacksModel(Throwable error) {
    return Status.fromThrowable(error).getCode() == Status.Code.NOT_FOUND;
  }

  /**
   * Whether a call may be served by another server: this one is gone, is on its way out, or does
   * not have the model. A server that has too much to do is not among them.
   */
  static boolean isOfTheServer(Throwable error) {
    Status status = Status.fromThrowable(error);
    return lacksModel(error)
        || isOfTheConnection(status)
        || (status.getCode() == Status.Code.UNAVAILABLE
            && exception("", error).reason() == Reason.NOT_READY);
  }

  /** Whether the server said that it has too much to do, which only one that lives says. */
  static boolean isTooBusy(Throwable error) {
    return exception("", error).reason() == Reason.QUEUE_FULL;
  }

  /** How gRPC ends a call that it was about to write when the connection went. */
  private static boolean isOfTheConnection(Status status) {
    return status.getCode() == Status.Code.UNKNOWN
        && status.getCause() instanceof ClosedChannelException;
  }

  private static Reason reason(Status status, String description) {
    return switch (status.getCode()) {
      case NOT_FOUND -> Reason.UNKNOWN_MODEL;
      case INVALID_ARGUMENT -> Reason.INVALID_INPUT;
      case DEADLINE_EXCEEDED -> Reason.EXPIRED;
      // How a connection ends that was pinged too often.
      case RESOURCE_EXHAUSTED ->
          description.contains("ENHANCE_YOUR_CALM") ? Reason.NOT_READY : Reason.QUEUE_FULL;
      case UNAVAILABLE -> {
        if (description.contains("Exceeds maximum queue size")) {
          yield Reason.QUEUE_FULL;
        }
        yield description.contains("Request timeout expired") ? Reason.EXPIRED : Reason.NOT_READY;
      }
      case UNKNOWN -> isOfTheConnection(status) ? Reason.NOT_READY : Reason.FAILED;
      default -> Reason.FAILED;
    };
  }
}
