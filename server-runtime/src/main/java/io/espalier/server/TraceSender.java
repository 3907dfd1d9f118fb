package io.espalier.server;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.ForwardingClientCallListener.SimpleForwardingClientCallListener;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.Status;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.TextMapPropagator;
import org.jspecify.annotations.Nullable;

/** A span of every call that is sent, which the server that takes it continues. */
final class TraceSender implements ClientInterceptor {
  private final Tracer tracer;
  private final TextMapPropagator propagator;

  TraceSender(OpenTelemetry telemetry) {
    this.tracer = telemetry.getTracer("io.espalier.server");
    this.propagator = telemetry.getPropagators().getTextMapPropagator();
  }

  @Override
  public <Q, R> ClientCall<Q, R> interceptCall(
      MethodDescriptor<Q, R> method, CallOptions options, Channel next) {
    if (method.getType() != MethodType.UNARY) {
      return next.newCall(method, options);
    }
    Context parent = Context.current();
    return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
      @Override
      public void start(Listener<R> listener, Metadata headers) {
        Span span =
            tracer
                .spanBuilder(method.getFullMethodName())
                .setParent(parent)
                .setSpanKind(SpanKind.CLIENT)
                .startSpan();
        propagator.inject(parent.with(span), headers, TraceHeaders::write);
        super.start(
            new SimpleForwardingClientCallListener<>(listener) {
              @Override
              public void onClose(Status status, @Nullable Metadata trailers) {
                TraceHeaders.end(span, status);
                super.onClose(status, trailers);
              }
            },
            headers);
      }
    };
  }
}
