package io.espalier.server;

import io.grpc.Grpc;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import java.net.InetSocketAddress;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongSupplier;

/**
 * Refuses calls of an identity beyond its rate, before any work is done for them.
 *
 * <p>The generic cell rate algorithm (ITU-T I.371): for each identity the one time is kept at which
 * its next call is due; a call that comes more than the burst before that is one too many.
 */
final class CallRate implements ServerInterceptor {
  // Beyond so many, those that are not owed anything are forgotten: they begin anew, as they would.
  private static final int KEPT = 10_000;

  private final double perSecond;
  private final long interval;
  private final long tolerance;
  private final LongSupplier nanos;
  private final Map<String, Long> due = new ConcurrentHashMap<>();
  private final AtomicBoolean clearing = new AtomicBoolean();

  /**
   * @param nanos a clock that goes on evenly
   */
  CallRate(double perSecond, int burst, LongSupplier nanos) {
    this.perSecond = perSecond;
    this.interval = Math.max(1, (long) (TimeUnit.SECONDS.toNanos(1) / perSecond));
    this.tolerance = interval * (burst - 1);
    this.nanos = nanos;
  }

  /** Whether one more call is within the rate; it counts if it is. */
  boolean admits(String identity) {
    long now = nanos.getAsLong();
    boolean[] admitted = new boolean[1];
    due.compute(
        identity,
        (name, before) -> {
          long at = before == null || before - now < 0 ? now : before;
          admitted[0] = at - now <= tolerance;
          return admitted[0] ? Long.valueOf(at + interval) : before;
        });
    if (due.size() > KEPT && clearing.compareAndSet(false, true)) {
      due.values().removeIf(at -> at - now <= 0);
      clearing.set(false);
    }
    return admitted[0];
  }

  int kept() {
    return due.size();
  }

  @Override
  public <Q, R> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
    if (!admits(identity(call))) {
      throw RequestException.resourceExhausted(
          "calls of this caller: more than its rate (expected: at most %s a second)"
              .formatted(perSecond));
    }
    return next.startCall(call, headers);
  }

  private static String identity(ServerCall<?, ?> call) {
    Identity caller = Authentication.current();
    if (caller != null && caller.single()) {
      return "subject " + caller.name();
    }
    return "address "
        + (call.getAttributes().get(Grpc.TRANSPORT_ATTR_REMOTE_ADDR)
                instanceof InetSocketAddress address
            ? address.getAddress().getHostAddress()
            : "in process");
  }
}
