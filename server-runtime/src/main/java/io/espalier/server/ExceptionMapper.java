package io.espalier.server;

import com.google.protobuf.InvalidProtocolBufferException;
import io.grpc.Context;
import io.grpc.ForwardingServerCall.SimpleForwardingServerCall;
import io.grpc.ForwardingServerCallListener.SimpleForwardingServerCallListener;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.StatusRuntimeException;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.LongCounter;
import io.opentelemetry.api.metrics.Meter;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one place from exceptions to statuses.
 *
 * <p>A {@link RequestException} keeps its code and message, whose author wrote it for the caller.
 * Statuses of calls further down keep their code where it means the same to our caller; their
 * messages, which may name hosts and internals, stay inside. Everything else is INTERNAL with an id
 * that leads to the log, and is counted: that counter is expected to stay 0. UNKNOWN never gets
 * out. A refusal for load tells clients not to retry (pushback −1).
 */
final class ExceptionMapper implements ServerInterceptor {
  static final Metadata.Key<String> PUSHBACK =
      Metadata.Key.of("grpc-retry-pushback-ms", Metadata.ASCII_STRING_MARSHALLER);

  private static final Logger log = LoggerFactory.getLogger(ExceptionMapper.class);
  private static final AttributeKey<String> CODE = AttributeKey.stringKey("rpc.grpc.status_code");

  private final Map<Class<? extends Throwable>, Function<Throwable, RequestException>> rules;
  private final LongAdder fallbacks = new LongAdder();
  private final LongCounter errorCounter;
  private final LongCounter fallbackCounter;

  ExceptionMapper(
      Map<Class<? extends Throwable>, Function<Throwable, RequestException>> rules, Meter meter) {
    this.rules = new LinkedHashMap<>(rules);
    this.errorCounter =
        meter
            .counterBuilder("espalier.server.errors")
            .setDescription("Calls that ended with an error, by status code")
            .build();
    this.fallbackCounter =
        meter
            .counterBuilder("espalier.server.exceptions.unmapped")
            .setDescription("Exceptions that no rule knew: defects")
            .build();
    // An alarm has to see the first one as a rise.
    fallbackCounter.add(0);
  }

  /** How many exceptions no rule knew. */
  long fallbacks() {
    return fallbacks.sum();
  }

  @Override
  public <Q, R> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
    MappedCall<Q, R> mapped = new MappedCall<>(call);
    try {
      return new MappedListener<>(next.startCall(mapped, headers), mapped);
    } catch (RuntimeException | Error e) {
      mapped.fail(e);
      return new Refused<>();
    }
  }

  /** The status of an exception, fit to leave the server. */
  Status map(Throwable thrown) {
    Throwable cause = thrown;
    while ((cause instanceof CompletionException || cause instanceof ExecutionException)
        && cause.getCause() != null) {
      cause = cause.getCause();
    }
    for (var rule : rules.entrySet()) {
      if (rule.getKey().isInstance(cause)) {
        return status(rule.getValue().apply(cause));
      }
    }
    return switch (cause) {
      case RequestException e -> status(e);
      case InvalidProtocolBufferException e -> malformed();
      case StatusRuntimeException e when e.getCause() instanceof InvalidProtocolBufferException ->
          malformed();
      case StatusRuntimeException e -> downstream(e.getStatus());
      case StatusException e -> downstream(e.getStatus());
      case TimeoutException e -> Status.DEADLINE_EXCEEDED.withDescription("not done in time");
      case CancellationException e -> cancelled();
      case InterruptedException e -> cancelled();
      case RejectedExecutionException e ->
          Status.RESOURCE_EXHAUSTED.withDescription("the server is busy or stopping");
      default -> fallback(cause);
    };
  }

  private static Status status(RequestException e) {
    return e.code().toStatus().withDescription(e.getMessage());
  }

  private static Status malformed() {
    return Status.INVALID_ARGUMENT.withDescription(
        "request: malformed bytes (expected: a protobuf message of this method's type)");
  }

  private static Status cancelled() {
    return Context.current().isCancelled()
        ? Status.CANCELLED.withDescription("the call was cancelled")
        : Status.UNAVAILABLE.withDescription("work that the call needs was cancelled");
  }

  private Status downstream(Status status) {
    return switch (status.getCode()) {
      case OK -> status;
      case CANCELLED -> cancelled();
      case DEADLINE_EXCEEDED -> Status.DEADLINE_EXCEEDED.withDescription("not done in time");
      case RESOURCE_EXHAUSTED ->
          Status.RESOURCE_EXHAUSTED.withDescription("a limit was reached: " + words(status));
      case UNAVAILABLE -> Status.UNAVAILABLE.withDescription("a part that the call needs is down");
      case INVALID_ARGUMENT,
          NOT_FOUND,
          FAILED_PRECONDITION,
          OUT_OF_RANGE,
          ALREADY_EXISTS,
          ABORTED,
          UNAUTHENTICATED,
          PERMISSION_DENIED,
          UNIMPLEMENTED ->
          status.getCode().toStatus().withDescription(words(status));
      case INTERNAL, DATA_LOSS, UNKNOWN -> {
        Throwable cause = status.getCause();
        if (cause != null && !(cause instanceof StatusRuntimeException)) {
          yield map(cause);
        }
        yield cause == null && status.getCode() == Status.Code.UNKNOWN
            ? fallback(status.asRuntimeException())
            : logged("a call below failed", status.asRuntimeException());
      }
    };
  }

  private static String words(Status status) {
    String description = status.getDescription();
    return description == null ? status.getCode().name() : description;
  }

  private Status fallback(Throwable cause) {
    fallbacks.increment();
    fallbackCounter.add(1);
    return logged("unmapped exception", cause);
  }

  private static Status logged(String what, Throwable cause) {
    String id = UUID.randomUUID().toString().substring(0, 8);
    log.error("{} (error {})", what, id, cause);
    return Status.INTERNAL.withDescription("internal error " + id);
  }

  /** What follows of a call that was not let in: nothing. */
  static final class Refused<Q> extends ServerCall.Listener<Q> {}

  private final class MappedCall<Q, R> extends SimpleForwardingServerCall<Q, R> {
    private final AtomicBoolean closed = new AtomicBoolean();

    MappedCall(ServerCall<Q, R> call) {
      super(call);
    }

    @Override
    public void close(Status status, Metadata trailers) {
      if (!closed.compareAndSet(false, true)) {
        return;
      }
      if (status.isOk()) {
        super.close(status, trailers);
        return;
      }
      // Trailers of failed calls further down would travel through otherwise.
      Status mapped = downstream(status);
      errorCounter.add(1, Attributes.of(CODE, mapped.getCode().name()));
      super.close(mapped, trailersOf(mapped));
    }

    void fail(Throwable thrown) {
      if (!closed.compareAndSet(false, true)) {
        log.warn("after the end of {}", getMethodDescriptor().getFullMethodName(), thrown);
        return;
      }
      Status mapped = map(thrown);
      errorCounter.add(1, Attributes.of(CODE, mapped.getCode().name()));
      super.close(mapped, trailersOf(mapped));
    }

    private static Metadata trailersOf(Status status) {
      Metadata trailers = new Metadata();
      if (status.getCode() == Status.Code.RESOURCE_EXHAUSTED) {
        trailers.put(PUSHBACK, "-1");
      }
      return trailers;
    }
  }

  private static final class MappedListener<Q> extends SimpleForwardingServerCallListener<Q> {
    private final ExceptionMapper.MappedCall<Q, ?> call;

    MappedListener(ServerCall.Listener<Q> listener, ExceptionMapper.MappedCall<Q, ?> call) {
      super(listener);
      this.call = call;
    }

    @Override
    public void onMessage(Q message) {
      guard(() -> super.onMessage(message));
    }

    @Override
    public void onHalfClose() {
      guard(super::onHalfClose);
    }

    @Override
    public void onReady() {
      guard(super::onReady);
    }

    @Override
    public void onCancel() {
      guardEnd(super::onCancel);
    }

    @Override
    public void onComplete() {
      guardEnd(super::onComplete);
    }

    private void guard(Runnable callback) {
      try {
        callback.run();
      } catch (RuntimeException | Error e) {
        call.fail(e);
      }
    }

    private void guardEnd(Runnable callback) {
      try {
        callback.run();
      } catch (RuntimeException | Error e) {
        log.warn("at the end of {}", call.getMethodDescriptor().getFullMethodName(), e);
      }
    }
  }
}
