package io.espalier.server;

import io.espalier.server.Places.End;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.ForwardingServerCall.SimpleForwardingServerCall;
import io.grpc.ForwardingServerCallListener.SimpleForwardingServerCallListener;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.LongCounter;
import io.opentelemetry.api.metrics.Meter;
import io.opentelemetry.api.metrics.ObservableLongGauge;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * Refuses calls for which there is no place, before any work is done for them.
 *
 * <p>A place is given back exactly once: when the call's status is sent, when it is cancelled, or
 * when it could not start.
 */
final class ConcurrencyLimit implements ServerInterceptor, AutoCloseable {
  private static final AttributeKey<String> SERVER = AttributeKey.stringKey("server");
  private static final AttributeKey<String> REASON = AttributeKey.stringKey("reason");
  private static final AttributeKey<String> TENANT = AttributeKey.stringKey("tenant");

  private final Places places;
  private final AdmissionConfig config;
  private final LongCounter refusals;
  private final ObservableLongGauge limit;

  /**
   * A limit.
   *
   * @param most calls in progress however short they are; 0: any number
   * @param server its name in what is measured
   */
  ConcurrencyLimit(int most, AdmissionConfig config, String server, Meter meter) {
    this.places = new Places(most, config, System.nanoTime());
    this.config = config;
    this.refusals =
        meter
            .counterBuilder("espalier.server.refusals")
            .setDescription("Calls that were not let in, by reason and tenant")
            .build();
    // Who watches has to see the first one as a rise.
    for (Places.Refusal reason : Places.Refusal.values()) {
      refusals.add(0, attributes(reason, ""));
    }
    this.limit =
        meter
            .gaugeBuilder("espalier.server.calls.limit")
            .ofLongs()
            .setDescription("Calls that may be in progress")
            .buildWithCallback(
                gauge -> gauge.record(places.limit(), Attributes.of(SERVER, server)));
  }

  int inProgress() {
    return places.inProgress();
  }

  @Override
  public void close() {
    limit.close();
  }

  @Override
  public <Q, R> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
    boolean stream = call.getMethodDescriptor().getType() != MethodType.UNARY;
    String tenant = Tenant.current();
    long allotted = Deadlines.leftNanos();
    Places.Answer answer =
        places.take(
            call.getMethodDescriptor().getFullMethodName(),
            tenant,
            Priority.current(),
            allotted,
            stream,
            System.nanoTime());
    Places.Place place = answer.place();
    if (place == null) {
      refusals.add(1, attributes(Objects.requireNonNull(answer.refusal()), tenant));
      throw RequestException.resourceExhausted(answer.words());
    }
    Admission admission = new Admission(places, place, answer.load());
    Held held = new Held(place, admission);
    ServerCall.Listener<Q> listener;
    try {
      listener =
          Contexts.interceptCall(
              Context.current().withValue(Admission.KEY, admission),
              new SimpleForwardingServerCall<>(call) {
                @Override
                public void close(Status status, Metadata trailers) {
                  // First, so that a caller who has the answer finds the place free.
                  held.release(status);
                  super.close(status, trailers);
                }
              },
              headers,
              next);
    } catch (RuntimeException | Error e) {
      held.release(null);
      throw e;
    }
    return new SimpleForwardingServerCallListener<>(listener) {
      // An exception out of a callback ends the call outside of this limit, in the exception
      // mapper.
      @Override
      public void onMessage(Q message) {
        guard(() -> super.onMessage(message));
      }

      @Override
      public void onHalfClose() {
        guard(super::onHalfClose);
      }

      @Override
      public void onCancel() {
        try {
          super.onCancel();
        } finally {
          held.release(Deadlines.passed(allotted) ? Status.DEADLINE_EXCEEDED : null);
        }
      }

      @Override
      public void onComplete() {
        try {
          super.onComplete();
        } finally {
          held.release(null);
        }
      }

      private void guard(Runnable callback) {
        try {
          callback.run();
        } catch (RuntimeException | Error e) {
          held.release(statusOf(e, allotted));
          throw e;
        }
      }
    };
  }

  private static @Nullable Status statusOf(Throwable failure, long allotted) {
    if (failure instanceof RequestException refusal) {
      return refusal.code().toStatus();
    }
    return Deadlines.passed(allotted) ? Status.DEADLINE_EXCEEDED : null;
  }

  /** A name that nobody listed is anybody's choice, and no label. */
  private Attributes attributes(Places.Refusal reason, String tenant) {
    return Attributes.of(
        REASON,
        reason.name().toLowerCase(Locale.ROOT),
        TENANT,
        config.tenants().containsKey(tenant) ? tenant : "");
  }

  private final class Held {
    private final Places.Place place;
    private final Admission admission;
    private final AtomicBoolean held = new AtomicBoolean(true);

    Held(Places.Place place, Admission admission) {
      this.place = place;
      this.admission = admission;
    }

    void release(@Nullable Status status) {
      if (held.compareAndSet(true, false)) {
        places.give(place, end(status), admission.objectiveNanos(), System.nanoTime());
      }
    }

    private static End end(@Nullable Status status) {
      if (status == null) {
        return End.OTHER;
      }
      return switch (status.getCode()) {
        case OK, DEADLINE_EXCEEDED -> End.TIMED;
        case RESOURCE_EXHAUSTED -> End.OVERLOADED;
        default -> End.OTHER;
      };
    }
  }
}
