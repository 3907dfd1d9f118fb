package io.espalier.router;

import com.google.common.base.Throwables;
import com.google.common.util.concurrent.AbstractFuture;
import com.google.common.util.concurrent.FutureCallback;
import com.google.common.util.concurrent.Futures;
import com.google.common.util.concurrent.ListenableFuture;
import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.Status;
import io.opentelemetry.context.Scope;
import java.nio.channels.ClosedChannelException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Makes the calls of one request to the stages: a second time where the first was lost, or beside
 * one that is slow while there is nothing else to do.
 *
 * <p>Lost is what failed UNAVAILABLE, as a connection that breaks does, or was about to be written
 * to one that broke; a refusal for load is an answer. There is a second try where the route's
 * budget has one left and as much time is left as the first took. The first answer counts, and the
 * other call is cancelled.
 */
final class Attempts {
  private final String route;
  private final RetryBudget budget;
  private final Route.@Nullable Hedge hedge;
  private final RouterMetrics metrics;

  /**
   * The calls of a request.
   *
   * @param hedge null where slow calls are waited for
   */
  Attempts(String route, RetryBudget budget, Route.@Nullable Hedge hedge, RouterMetrics metrics) {
    this.route = route;
    this.budget = budget;
    this.hedge = hedge;
    this.metrics = metrics;
  }

  /** Starts a call; cancelling what is returned cancels what is under way. */
  <T> ListenableFuture<T> start(
      String stage, Deadline deadline, Supplier<ListenableFuture<T>> call) {
    budget.called();
    Tried<T> tried = new Tried<>(stage, deadline, call);
    tried.attempt();
    Route.Hedge beside = hedge;
    if (beside != null && !tried.isDone()) {
      CompletableFuture.delayedExecutor(
              beside.after().toNanos(),
              TimeUnit.NANOSECONDS,
              task -> Thread.ofVirtual().name("hedge").start(task))
          .execute(tried::hedge);
    }
    return tried;
  }

  private static boolean isLost(Throwable failure) {
    Status status = Status.fromThrowable(failure);
    return switch (status.getCode()) {
      case UNAVAILABLE -> true;
      // How gRPC ends a call that it was about to write when the connection went.
      case UNKNOWN ->
          status.getCause() != null
              && Throwables.getCausalChain(status.getCause()).stream()
                  .anyMatch(ClosedChannelException.class::isInstance);
      default -> false;
    };
  }

  private final class Tried<T> extends AbstractFuture<T> implements FutureCallback<T> {
    private final String stage;
    private final Deadline deadline;
    private final Supplier<ListenableFuture<T>> call;
    // A second call is made on a thread of the first one's end, and belongs to the request.
    private final Context request = Context.current();
    private final io.opentelemetry.context.Context trace =
        io.opentelemetry.context.Context.current();
    private final long started = System.nanoTime();
    private final List<ListenableFuture<T>> made = new ArrayList<>(2);
    // Calls that are made or about to be, and have not ended.
    private int underWay = 1;
    private boolean second;

    Tried(String stage, Deadline deadline, Supplier<ListenableFuture<T>> call) {
      this.stage = stage;
      this.deadline = deadline;
      this.call = call;
    }

    void attempt() {
      ListenableFuture<T> attempt;
      Context before = request.attach();
      try (Scope _ = trace.makeCurrent()) {
        attempt = call.get();
      } finally {
        request.detach(before);
      }
      synchronized (this) {
        made.add(attempt);
      }
      Futures.addCallback(attempt, this, Runnable::run);
      if (isDone()) {
        attempt.cancel(true);
      }
    }

    void hedge() {
      if (!isDone() && mayMakeSecond(RouterMetrics.SecondCall.HEDGE)) {
        again();
      }
    }

    private void again() {
      try {
        attempt();
      } catch (RuntimeException e) {
        onFailure(e);
      }
    }

    @Override
    public void onSuccess(T answer) {
      set(answer);
    }

    @Override
    public void onFailure(Throwable failure) {
      if (isDone()) {
        return;
      }
      boolean again =
          isLost(failure) && leavesTime() && mayMakeSecond(RouterMetrics.SecondCall.RETRY);
      boolean last;
      synchronized (this) {
        underWay--;
        last = underWay == 0;
      }
      if (again) {
        again();
      } else if (last) {
        setException(failure);
      }
    }

    private boolean leavesTime() {
      long left = deadline.timeRemaining(TimeUnit.NANOSECONDS);
      return left > 0 && left >= System.nanoTime() - started;
    }

    /**
     * Whether there is no second call yet and may be one. It is under way from here on, so that a
     * first one which fails meanwhile leaves the end to it.
     */
    private boolean mayMakeSecond(RouterMetrics.SecondCall kind) {
      boolean allowed;
      synchronized (this) {
        if (second) {
          return false;
        }
        second = true;
        allowed = budget.take();
        if (allowed) {
          underWay++;
        }
      }
      metrics.secondCall(route, stage, allowed ? kind : RouterMetrics.SecondCall.DENIED);
      return allowed;
    }

    @Override
    protected void afterDone() {
      List<ListenableFuture<T>> all;
      synchronized (this) {
        all = List.copyOf(made);
      }
      all.forEach(attempt -> attempt.cancel(true));
    }
  }
}
