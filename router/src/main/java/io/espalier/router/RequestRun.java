package io.espalier.router;

import com.google.common.util.concurrent.ListenableFuture;
import io.espalier.bundles.BundleId;
import io.espalier.router.v1.BundleVersion;
import io.espalier.router.v1.Degradation;
import io.espalier.router.v1.DegradationReason;
import io.espalier.router.v1.StageFact;
import io.espalier.server.Admission;
import io.espalier.server.RequestException;
import io.espalier.stores.users.UserStateException;
import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import java.util.function.ToIntFunction;

/**
 * One request on its way: its clock, the calls that it has started, and what is known of them.
 *
 * <p>Used by the request's own (virtual) thread alone. Calls started here end with the request:
 * when it is cancelled they are cancelled through gRPC's context, and when it is answered or fails,
 * {@link #close} cancels what is still under way.
 */
final class RequestRun implements AutoCloseable {
  private final long arrival = System.nanoTime();
  private final long end;
  private final long reserve;
  private final double load = Admission.load();
  private final List<StageCall<?>> calls = new ArrayList<>();
  private final List<StageFact> facts = new ArrayList<>();
  private final List<Degradation> degradations = new ArrayList<>();
  private final Set<BundleId> bundles = new LinkedHashSet<>();
  private long waited;

  /** The caller's deadline counts; {@code deadline} where he brings none. */
  RequestRun(Duration deadline, Duration reserve) {
    Deadline given = Context.current().getDeadline();
    this.end =
        arrival + (given == null ? deadline.toNanos() : given.timeRemaining(TimeUnit.NANOSECONDS));
    this.reserve = reserve.toNanos();
  }

  /** Nanoseconds until the request's deadline. */
  long remaining() {
    return end - System.nanoTime();
  }

  /** The step of a route's ladder that holds now: by the time that is left, or by the load. */
  Route.LadderStep step(Route route) {
    return route.step(remaining(), load);
  }

  /** How full the server was when it let the request in. */
  double load() {
    return load;
  }

  /** Refuses to go on when nothing more could be done in time. */
  void checkTime(String next) {
    checkCancelled();
    if (remaining() <= reserve) {
      throw RequestException.deadlineExceeded(
          "deadline: passed before " + next + " (expected: time for it)");
    }
  }

  /** Starts a stage's call, which ends at its budget at the latest. */
  <T> StageCall<T> start(
      String stage, Budget budget, int itemsIn, Function<Deadline, ListenableFuture<T>> call) {
    long started = System.nanoTime();
    long nanos = budget.nanos(end - started, reserve);
    StageCall<T> stageCall =
        new StageCall<>(
            stage,
            itemsIn,
            started,
            started + nanos,
            call.apply(Deadline.after(nanos, TimeUnit.NANOSECONDS)));
    calls.add(stageCall);
    return stageCall;
  }

  /** As {@link #start}, of a call that goes to another server and may be made twice. */
  <T> StageCall<T> call(
      Attempts attempts,
      String stage,
      Budget budget,
      int itemsIn,
      Function<Deadline, ListenableFuture<T>> call) {
    return start(
        stage,
        budget,
        itemsIn,
        deadline -> attempts.start(stage, deadline, () -> call.apply(deadline)));
  }

  /** Waits for a call, no longer than its budget, and records the fact. */
  <T> Outcome<T> await(StageCall<T> call, ToIntFunction<T> itemsOut) {
    long waitingSince = System.nanoTime();
    Outcome<T> outcome;
    try {
      T value = call.future().get(Math.max(0, call.latest() - waitingSince), TimeUnit.NANOSECONDS);
      outcome = new Outcome.Answered<>(value);
    } catch (TimeoutException e) {
      outcome = Outcome.Missed.of(Status.DEADLINE_EXCEEDED);
    } catch (CancellationException e) {
      outcome = Outcome.Missed.of(Status.CANCELLED);
    } catch (ExecutionException e) {
      outcome = Outcome.Missed.of(status(e));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CancellationException(call.stage());
    }
    waited += System.nanoTime() - waitingSince;
    checkCancelled();
    String how;
    int out = 0;
    switch (outcome) {
      case Outcome.Answered<T> answered -> {
        how = "OK";
        out = itemsOut.applyAsInt(answered.value());
      }
      case Outcome.Missed<T> missed -> {
        how = missed.status().getCode().name();
        call.future().cancel(true);
      }
    }
    facts.add(
        StageFact.newBuilder()
            .setStage(call.stage())
            .setStartMicros((call.started() - arrival) / 1_000)
            .setDurationMicros((call.ended() - call.started()) / 1_000)
            .setItemsIn(call.itemsIn())
            .setItemsOut(out)
            .setOutcome(how)
            .build());
    return outcome;
  }

  private static Status status(ExecutionException e) {
    return switch (e.getCause()) {
      case StatusRuntimeException s -> s.getStatus();
      case StatusException s -> s.getStatus();
      case UserStateException s -> s.isLate() ? Status.DEADLINE_EXCEEDED : Status.UNAVAILABLE;
      case null, default -> Status.INTERNAL.withCause(e.getCause());
    };
  }

  private static void checkCancelled() {
    Context context = Context.current();
    if (context.isCancelled()) {
      if (context.cancellationCause() instanceof TimeoutException) {
        throw RequestException.deadlineExceeded("deadline: passed (expected: time for an answer)");
      }
      throw new CancellationException("the caller cancelled");
    }
  }

  void degraded(String stage, DegradationReason reason, String detail) {
    degradations.add(
        Degradation.newBuilder().setStage(stage).setReason(reason).setDetail(detail).build());
  }

  /** A step of the ladder has changed what a stage does. */
  void laddered(String stage, Route.LadderStep step, String detail) {
    degraded(
        stage,
        step.holdsBy(remaining())
            ? DegradationReason.DEGRADATION_REASON_LADDER
            : DegradationReason.DEGRADATION_REASON_LOAD,
        detail);
  }

  /** Why a step holds, for a person. */
  String why(Route.LadderStep step) {
    return step.holdsBy(remaining()) ? "little time left" : "the server is busy";
  }

  void tookPart(BundleId bundle) {
    bundles.add(bundle);
  }

  List<StageFact> facts() {
    return facts.stream().sorted(Comparator.comparingLong(StageFact::getStartMicros)).toList();
  }

  List<Degradation> degradations() {
    return List.copyOf(degradations);
  }

  List<BundleVersion> bundles() {
    return bundles.stream()
        .map(id -> BundleVersion.newBuilder().setName(id.name()).setVersion(id.version()).build())
        .toList();
  }

  /** Nanoseconds since the request arrived. */
  long elapsed() {
    return System.nanoTime() - arrival;
  }

  /** Nanoseconds that the router itself used: all but the waiting for stages. */
  long selfTime() {
    return elapsed() - waited;
  }

  @Override
  public void close() {
    for (StageCall<?> call : calls) {
      if (!call.future().isDone()) {
        call.future().cancel(true);
      }
    }
  }
}
