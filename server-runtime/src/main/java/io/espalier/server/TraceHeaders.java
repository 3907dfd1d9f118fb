package io.espalier.server;

import io.grpc.Metadata;
import io.grpc.Status;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.StatusCode;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** What a trace is to a call: where its ids travel, and how a span ends. */
final class TraceHeaders {
  private static final AttributeKey<String> CODE = AttributeKey.stringKey("rpc.grpc.status_code");

  private TraceHeaders() {}

  static @Nullable String read(@Nullable Metadata headers, String name) {
    return headers == null ? null : headers.get(key(name));
  }

  static void write(@Nullable Metadata headers, String name, String value) {
    if (headers != null) {
      headers.discardAll(key(name));
      headers.put(key(name), value);
    }
  }

  private static Metadata.Key<String> key(String name) {
    return Metadata.Key.of(name.toLowerCase(Locale.ROOT), Metadata.ASCII_STRING_MARSHALLER);
  }

  /** Ends a span as its call ended; the first end counts. */
  static void end(Span span, Status status) {
    span.setAttribute(CODE, status.getCode().name());
    if (!status.isOk()) {
      span.setStatus(StatusCode.ERROR);
    }
    span.end();
  }
}
