package io.espalier.server;

import io.grpc.ForwardingServerCall.SimpleForwardingServerCall;
import io.grpc.ForwardingServerCallListener.SimpleForwardingServerCallListener;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.Scope;
import io.opentelemetry.context.propagation.TextMapPropagator;

/**
 * A span of every call, below the caller's, in whose context the call is served.
 *
 * <p>A stream may last as long as its server: it has none.
 */
final class CallTracing implements ServerInterceptor {
  private final Tracer tracer;
  private final TextMapPropagator propagator;

  CallTracing(OpenTelemetry telemetry) {
    this.tracer = telemetry.getTracer("io.espalier.server");
    this.propagator = telemetry.getPropagators().getTextMapPropagator();
  }

  @Override
  public <Q, R> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
    if (call.getMethodDescriptor().getType() != MethodType.UNARY) {
      return next.startCall(call, headers);
    }
    Context caller = propagator.extract(Context.root(), headers, TraceHeaders::read);
    Span span =
        tracer
            .spanBuilder(call.getMethodDescriptor().getFullMethodName())
            .setParent(caller)
            .setSpanKind(SpanKind.SERVER)
            .startSpan();
    Context context = caller.with(span);
    var traced =
        new SimpleForwardingServerCall<Q, R>(call) {
          @Override
          public void close(Status status, Metadata trailers) {
            TraceHeaders.end(span, status);
            super.close(status, trailers);
          }
        };
    try (Scope _ = context.makeCurrent()) {
      return new InContext<>(next.startCall(traced, headers), context);
    }
  }

  /** Every callback may come on another thread. */
  private static final class InContext<Q> extends SimpleForwardingServerCallListener<Q> {
    private final Context context;

    InContext(ServerCall.Listener<Q> listener, Context context) {
      super(listener);
      this.context = context;
    }

    private void within(Runnable callback) {
      try (Scope _ = context.makeCurrent()) {
        callback.run();
      }
    }

    @Override
    public void onMessage(Q message) {
      within(() -> super.onMessage(message));
    }

    @Override
    public void onHalfClose() {
      within(super::onHalfClose);
    }

    @Override
    public void onCancel() {
      TraceHeaders.end(Span.fromContext(context), Status.CANCELLED);
      within(super::onCancel);
    }

    @Override
    public void onComplete() {
      within(super::onComplete);
    }

    @Override
    public void onReady() {
      within(super::onReady);
    }
  }
}
