package io.espalier.inference.triton;

import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.Metadata;
import io.grpc.stub.MetadataUtils;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.TextMapSetter;

/** A trace context as the headers of W3C Trace Context, which Triton reads. */
final class TraceHeaders {
  private static final TextMapSetter<Metadata> HEADERS =
      (headers, key, value) -> {
        if (headers != null) {
          headers.put(Metadata.Key.of(key, Metadata.ASCII_STRING_MARSHALLER), value);
        }
      };

  private TraceHeaders() {}

  /** The channel, with the headers of a context's span on each call; itself where there is none. */
  static Channel on(Channel channel, Context trace) {
    Metadata headers = new Metadata();
    W3CTraceContextPropagator.getInstance().inject(trace, headers, HEADERS);
    return headers.keys().isEmpty()
        ? channel
        : ClientInterceptors.intercept(channel, MetadataUtils.newAttachHeadersInterceptor(headers));
  }
}
