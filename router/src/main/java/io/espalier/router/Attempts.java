package io.espalier.router;

import com.google.common.util.concurrent.AbstractFuture;
import com.google.common.util.concurrent.FutureCallback;
import com.google.common.util.concurrent.Futures;
import com.google.common.util.concurrent.ListenableFuture;
import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.Status;
import io.opentelemetry.context.Scope;
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
 * <p>Lost is what failed UNAVAILABLE, as a connection that breaks does; a refusal for load is an
 * answer. There is a second try where the route's budget has one left and as much time is left as
 * the first took. The first answer counts, and the other call is cancelled.
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
    private int ended;
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
      if (!isDone() && isFirst() && allowed(RouterMetrics.SecondCall.HEDGE)) {
        attempt();
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
      if (Status.fromThrowable(failure).getCode() == Status.Code.UNAVAILABLE
          && leavesTime()
          && isFirst()
          && allowed(RouterMetrics.SecondCall.RETRY)) {
        synchronized (this) {
          ended++;
        }
        attempt();
        return;
      }
      boolean last;
      synchronized (this) {
        ended++;
        last = ended == made.size();
      }
      if (last) {
        setException(failure);
      }
    }

    private boolean leavesTime() {
      long left = deadline.timeRemaining(TimeUnit.NANOSECONDS);
      return left > 0 && left >= System.nanoTime() - started;
    }

    /** Whether nobody has made a second call, or will. */
    private synchronized boolean isFirst() {
      boolean first = !second;
      second = true;
      return first;
    }

    private boolean allowed(RouterMetrics.SecondCall kind) {
      boolean allowed = budget.take();
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
