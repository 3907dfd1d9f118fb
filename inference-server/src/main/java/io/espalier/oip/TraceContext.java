package io.espalier.oip;

import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.propagation.TextMapGetter;
import org.jspecify.annotations.Nullable;

/** The trace that a caller is in, by W3C's {@code traceparent} and {@code tracestate}. */
final class TraceContext implements ServerInterceptor {
  private static final Context.Key<io.opentelemetry.context.Context> CALLER =
      Context.key("trace context");

  private static final TextMapGetter<Metadata> HEADERS = TraceContext::header;

  private static @Nullable String header(@Nullable Metadata headers, String key) {
    return headers == null
        ? null
        : headers.get(Metadata.Key.of(key, Metadata.ASCII_STRING_MARSHALLER));
  }

  /** The trace of the current call's caller; the root where it has none. */
  static io.opentelemetry.context.Context ofCaller() {
    io.opentelemetry.context.Context caller = CALLER.get();
    return caller == null ? io.opentelemetry.context.Context.root() : caller;
  }

  @Override
  public <Q, R> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
    io.opentelemetry.context.Context caller =
        W3CTraceContextPropagator.getInstance()
            .extract(io.opentelemetry.context.Context.root(), headers, HEADERS);
    return Contexts.interceptCall(Context.current().withValue(CALLER, caller), call, headers, next);
  }
}
