package io.espalier.server;

import io.grpc.ForwardingServerCall.SimpleForwardingServerCall;
import io.grpc.ForwardingServerCallListener.SimpleForwardingServerCallListener;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.DoubleHistogram;
import io.opentelemetry.api.metrics.LongUpDownCounter;
import io.opentelemetry.api.metrics.Meter;
import java.util.concurrent.atomic.AtomicBoolean;

/** Time of every call by method and status code, and the number in progress. */
final class CallTelemetry implements ServerInterceptor {
  private static final AttributeKey<String> METHOD = AttributeKey.stringKey("rpc.method");
  private static final AttributeKey<String> CODE = AttributeKey.stringKey("rpc.grpc.status_code");

  private final DoubleHistogram durations;
  private final LongUpDownCounter inProgress;

  CallTelemetry(Meter meter) {
    durations =
        meter
            .histogramBuilder("rpc.server.duration")
            .setUnit("s")
            .setDescription("Time from a call's arrival to its status")
            .build();
    inProgress =
        meter
            .upDownCounterBuilder("espalier.server.calls.in_progress")
            .setDescription("Calls that have arrived and not ended")
            .build();
  }

  @Override
  public <Q, R> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
    long start = System.nanoTime();
    long allotted = Deadlines.leftNanos();
    String method = call.getMethodDescriptor().getFullMethodName();
    Attributes byMethod = Attributes.of(METHOD, method);
    AtomicBoolean ended = new AtomicBoolean();
    inProgress.add(1, byMethod);
    var timed =
        new SimpleForwardingServerCall<Q, R>(call) {
          @Override
          public void close(Status status, Metadata trailers) {
            end(status.getCode());
            super.close(status, trailers);
          }

          void end(Status.Code code) {
            if (ended.compareAndSet(false, true)) {
              inProgress.add(-1, byMethod);
              durations.record(
                  (System.nanoTime() - start) * 1e-9,
                  Attributes.of(METHOD, method, CODE, code.name()));
            }
          }
        };
    return new SimpleForwardingServerCallListener<>(next.startCall(timed, headers)) {
      @Override
      public void onCancel() {
        // Both end a call on the same way; only one of them is a failure of the server's.
        timed.end(
            Deadlines.passed(allotted) ? Status.Code.DEADLINE_EXCEEDED : Status.Code.CANCELLED);
        super.onCancel();
      }
    };
  }
}
