package io.espalier.server;

import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import java.time.Duration;

/**
 * Refuses a call whose deadline has passed, or leaves less than a floor: nothing could be done in
 * it.
 */
final class DeadlineFloor implements ServerInterceptor {
  private final Duration floor;

  DeadlineFloor(Duration floor) {
    this.floor = floor;
  }

  @Override
  public <Q, R> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
    Deadlines.remaining()
        .filter(left -> left.compareTo(floor) < 0)
        .ifPresent(
            left -> {
              throw RequestException.deadlineExceeded(
                  "deadline: %d µs left (expected: at least %d µs)"
                      .formatted(left.toNanos() / 1_000, floor.toNanos() / 1_000));
            });
    return next.startCall(call, headers);
  }
}
