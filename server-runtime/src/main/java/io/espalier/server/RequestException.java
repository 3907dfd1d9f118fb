package io.espalier.server;

import io.grpc.Status;
import java.util.Objects;

/**
 * A refusal that the caller may read: a status code, and a message that names the value and the
 * expectation.
 *
 * <p>Domain code throws it; {@code ExceptionMapper} is the one place that turns it into a gRPC
 * status.
 */
public final class RequestException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final Status.Code code;

  private RequestException(Status.Code code, String message) {
    super(message, null, false, false);
    this.code = Objects.requireNonNull(code, "code");
  }

  /** A field breaks its rule. */
  public static RequestException invalidArgument(String message) {
    return new RequestException(Status.Code.INVALID_ARGUMENT, message);
  }

  /** Something that the request names does not exist here. */
  public static RequestException notFound(String message) {
    return new RequestException(Status.Code.NOT_FOUND, message);
  }

  /** Sound by itself, but beyond what there is. */
  public static RequestException outOfRange(String message) {
    return new RequestException(Status.Code.OUT_OF_RANGE, message);
  }

  /** What the request goes on from is no longer so: its caller has to begin anew. */
  public static RequestException aborted(String message) {
    return new RequestException(Status.Code.ABORTED, message);
  }

  /** The request is sound, the server's state is not ready for it. */
  public static RequestException failedPrecondition(String message) {
    return new RequestException(Status.Code.FAILED_PRECONDITION, message);
  }

  /** Refused before it started, for load. */
  public static RequestException resourceExhausted(String message) {
    return new RequestException(Status.Code.RESOURCE_EXHAUSTED, message);
  }

  /** Not finished in time. */
  public static RequestException deadlineExceeded(String message) {
    return new RequestException(Status.Code.DEADLINE_EXCEEDED, message);
  }

  /** A part that the request needs is down. */
  public static RequestException unavailable(String message) {
    return new RequestException(Status.Code.UNAVAILABLE, message);
  }

  /** The work was begun and failed, for a reason that the caller may read. */
  public static RequestException internal(String message) {
    return new RequestException(Status.Code.INTERNAL, message);
  }

  /** A part of a protocol that this server does not have. */
  public static RequestException unimplemented(String message) {
    return new RequestException(Status.Code.UNIMPLEMENTED, message);
  }

  /** The caller did not say who he is, or not credibly. */
  public static RequestException unauthenticated(String message) {
    return new RequestException(Status.Code.UNAUTHENTICATED, message);
  }

  /** The caller is known, and may not. */
  public static RequestException permissionDenied(String message) {
    return new RequestException(Status.Code.PERMISSION_DENIED, message);
  }

  /** The status code that the caller sees. */
  public Status.Code code() {
    return code;
  }
}
