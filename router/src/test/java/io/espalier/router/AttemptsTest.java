package io.espalier.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.util.concurrent.Futures;
import com.google.common.util.concurrent.ListenableFuture;
import com.google.common.util.concurrent.SettableFuture;
import io.grpc.Deadline;
import io.grpc.Status;
import io.opentelemetry.api.OpenTelemetry;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.time.Duration;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class AttemptsTest {
  private final AtomicInteger calls = new AtomicInteger();

  private static Attempts attempts(Route.@Nullable Hedge hedge) {
    return new Attempts(
        "route",
        new RetryBudget(new Route.Retry(1, 10)),
        hedge,
        new RouterMetrics(OpenTelemetry.noop().getMeter("test")));
  }

  private static String answer(Attempts attempts, Supplier<ListenableFuture<String>> call)
      throws Exception {
    return attempts
        .start("retrieval", Deadline.after(1, TimeUnit.MINUTES), call)
        .get(1, TimeUnit.MINUTES);
  }

  private Supplier<ListenableFuture<String>> firstFails(Status status) {
    return firstThen(
        Futures.immediateFailedFuture(status.asRuntimeException()),
        () -> Futures.immediateFuture("second"));
  }

  private Supplier<ListenableFuture<String>> firstThen(
      ListenableFuture<String> first, Supplier<ListenableFuture<String>> later) {
    return () -> calls.incrementAndGet() == 1 ? first : later.get();
  }

  private static Attempts hedging() {
    return attempts(new Route.Hedge(Duration.ofMillis(1), 1));
  }

  @Test
  void start_callWasLost_isMadeAgain() throws Exception {
    for (Status lost :
        new Status[] {
          Status.UNAVAILABLE,
          Status.UNKNOWN.withDescription("channel closed").withCause(new ClosedChannelException()),
          Status.UNKNOWN.withCause(new IOException(new ClosedChannelException()))
        }) {
      calls.set(0);
      assertThat(answer(attempts(null), firstFails(lost))).isEqualTo("second");
      assertThat(calls).hasValue(2);
    }
  }

  @Test
  void start_callFailedOtherwise_isNotMadeAgain() {
    for (Status failed :
        new Status[] {
          Status.UNKNOWN,
          Status.UNKNOWN.withCause(new IOException("disk")),
          Status.INTERNAL.withCause(new ClosedChannelException()),
          Status.RESOURCE_EXHAUSTED
        }) {
      calls.set(0);
      assertThatThrownBy(() -> answer(attempts(null), firstFails(failed)))
          .isInstanceOf(ExecutionException.class)
          .hasMessageContaining(failed.getCode().name());
      assertThat(calls).hasValue(1);
    }
  }

  @Test
  void start_firstFailsWhileTheHedgeIsBeingMade_theHedgeAnswers() throws Exception {
    SettableFuture<String> first = SettableFuture.create();
    Supplier<ListenableFuture<String>> call =
        firstThen(
            first,
            () -> {
              first.setException(Status.INTERNAL.asRuntimeException());
              return Futures.immediateFuture("hedge");
            });
    assertThat(answer(hedging(), call)).isEqualTo("hedge");
  }

  @Test
  void start_hedgeCannotBeMade_theFirstIsWaitedFor() throws Exception {
    SettableFuture<String> first = SettableFuture.create();
    Supplier<ListenableFuture<String>> call =
        firstThen(
            first,
            () -> {
              // Answered only after the hedge has failed.
              Thread.ofVirtual().start(() -> first.set("first"));
              throw new IllegalStateException("cannot be made");
            });
    assertThat(answer(hedging(), call)).isEqualTo("first");
  }

  @Test
  void start_bothFail_fails() {
    SettableFuture<String> first = SettableFuture.create();
    Supplier<ListenableFuture<String>> call =
        firstThen(
            first,
            () -> {
              first.setException(Status.INTERNAL.asRuntimeException());
              throw new IllegalStateException("cannot be made");
            });
    assertThatThrownBy(() -> answer(hedging(), call))
        .isInstanceOf(ExecutionException.class)
        .hasMessageContaining("cannot be made");
  }
}
