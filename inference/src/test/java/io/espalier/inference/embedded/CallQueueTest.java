package io.espalier.inference.embedded;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.Tensor;
import io.espalier.inference.repository.Batching;
import io.espalier.inference.repository.QueuePolicy;
import io.espalier.inference.repository.QueuePolicy.TimeoutAction;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class CallQueueTest {
  private static final long FAR = System.nanoTime() + TimeUnit.DAYS.toNanos(10);
  private static final long LONG_DELAY = TimeUnit.HOURS.toNanos(1);

  @Test
  void take_waitingCalls_joinsThemUpToTheBatchSize() {
    CallQueue queue = new CallQueue(4, batching(0, QueuePolicy.UNBOUNDED), 1);
    QueuedCall a = add(queue, call(1, 3, 0));
    QueuedCall b = add(queue, call(2, 3, 0));
    QueuedCall c = add(queue, call(2, 3, 0));
    QueuedCall d = add(queue, call(1, 3, 0));

    assertThat(take(queue).calls()).containsExactly(a, b);
    assertThat(take(queue).calls()).containsExactly(c, d);
    assertThat(queue.size()).isZero();
  }

  @Test
  void take_otherShape_isPassedOverAndHeadsTheNextRun() {
    CallQueue queue = new CallQueue(8, batching(0, QueuePolicy.UNBOUNDED), 1);
    QueuedCall wide = add(queue, call(1, 5, 0));
    QueuedCall narrow = add(queue, call(1, 3, 0));
    QueuedCall wideToo = add(queue, call(1, 5, 0));

    assertThat(take(queue).calls()).containsExactly(wide, wideToo);
    assertThat(take(queue).calls()).containsExactly(narrow);
  }

  @Test
  void take_priorities_firstInFirstOutWithinEach() {
    CallQueue queue = new CallQueue(0, null, 1);
    QueuedCall low = add(queue, call(1, 3, 2));
    QueuedCall high = add(queue, call(1, 3, 0));
    QueuedCall highToo = add(queue, call(1, 3, 0));
    QueuedCall middle = add(queue, call(1, 3, 1));

    assertThat(List.of(one(queue), one(queue), one(queue), one(queue)))
        .containsExactly(high, highToo, middle, low);
  }

  @Test
  void take_preferredSize_isMadeAndTheRestFollows() {
    CallQueue queue = new CallQueue(8, batching(0, QueuePolicy.UNBOUNDED, 2, 4), 1);
    for (int i = 0; i < 7; i++) {
      add(queue, call(1, 3, 0));
    }

    assertThat(take(queue).calls()).hasSize(4);
    assertThat(take(queue).calls()).hasSize(2);
    assertThat(take(queue).calls()).hasSize(1);
  }

  @Test
  void take_delayAllowed_waitsForThePreferredSize() {
    CallQueue queue = new CallQueue(8, batching(LONG_DELAY, QueuePolicy.UNBOUNDED, 4), 1);
    for (int i = 0; i < 3; i++) {
      add(queue, call(1, 3, 0));
    }
    CompletableFuture<CallQueue.Batch> taken = CompletableFuture.supplyAsync(() -> take(queue));
    assertThat(taken).isNotDone();

    add(queue, call(1, 3, 0));

    assertThat(taken.join().calls()).hasSize(4);
  }

  @Test
  void take_delayPassed_runsWhatThereIs() {
    CallQueue queue = new CallQueue(8, batching(LONG_DELAY, QueuePolicy.UNBOUNDED, 2), 1);
    long longAgo = System.nanoTime() - 2 * LONG_DELAY;
    add(queue, call(1, 3, 0, longAgo, 0, FAR));
    add(queue, call(1, 3, 0));
    add(queue, call(1, 3, 0));

    assertThat(take(queue).calls()).hasSize(3);
  }

  @Test
  void take_cannotGrow_runsAtOnceInSpiteOfTheDelay() {
    CallQueue queue = new CallQueue(8, batching(LONG_DELAY, QueuePolicy.UNBOUNDED), 1);
    QueuedCall narrow = add(queue, call(1, 3, 0));
    add(queue, call(1, 5, 0));

    assertThat(take(queue).calls()).containsExactly(narrow);
  }

  @Test
  void add_fullQueue_isRefusedForItsPriorityOnly() {
    QueuePolicy two = new QueuePolicy(2, 0, TimeoutAction.REJECT, false);
    CallQueue queue = new CallQueue(8, batching(0, two), 1);
    add(queue, call(1, 3, 0));
    add(queue, call(1, 3, 0));

    assertThatThrownBy(() -> add(queue, call(1, 3, 0)))
        .isInstanceOfSatisfying(
            ModelException.class, e -> assertThat(e.reason()).isEqualTo(Reason.QUEUE_FULL))
        .hasMessage("m: 2 calls wait (max_queue_size: 2)");
    add(queue, call(1, 3, 1));
    assertThat(queue.size()).isEqualTo(3);
  }

  @Test
  void policy_priorityWithItsOwn_isUsed() {
    QueuePolicy one = new QueuePolicy(1, 0, TimeoutAction.REJECT, false);
    CallQueue queue =
        new CallQueue(
            8, new Batching(new TreeSet<>(), 0, 2, QueuePolicy.UNBOUNDED, Map.of(1, one)), 1);
    add(queue, call(1, 3, 0));
    add(queue, call(1, 3, 0));
    add(queue, call(1, 3, 1));

    assertThatThrownBy(() -> add(queue, call(1, 3, 1))).hasMessageContaining("max_queue_size: 1");
  }

  @Test
  void take_timeoutWithReject_neverStartsTheCall() {
    CallQueue queue =
        new CallQueue(8, batching(0, new QueuePolicy(0, 1000, TimeoutAction.REJECT, false)), 1);
    long longAgo = System.nanoTime() - 1_000_000;
    QueuedCall late = add(queue, call(1, 3, 0, longAgo, 1000, FAR));
    QueuedCall fresh = add(queue, call(1, 3, 0));

    CallQueue.Batch batch = take(queue);

    assertThat(batch.expired()).containsExactly(late);
    assertThat(batch.calls()).containsExactly(fresh);
    assertThat(queue.size()).isZero();
  }

  @Test
  void take_timeoutWithDelay_servesTheCallAfterTheOthers() {
    CallQueue queue =
        new CallQueue(1, batching(0, new QueuePolicy(0, 1000, TimeoutAction.DELAY, false)), 1);
    long longAgo = System.nanoTime() - 1_000_000;
    QueuedCall late = add(queue, call(1, 3, 0, longAgo, 1000, FAR));
    QueuedCall fresh = add(queue, call(1, 3, 0));
    QueuedCall freshToo = add(queue, call(1, 3, 0));
    QueuedCall lower = add(queue, call(1, 3, 1));

    assertThat(List.of(one(queue), one(queue), one(queue), one(queue)))
        .containsExactly(fresh, freshToo, late, lower);
  }

  @Test
  void take_deadlinePassed_isNeverStartedWhateverThePolicy() {
    CallQueue queue =
        new CallQueue(8, batching(0, new QueuePolicy(0, 1000, TimeoutAction.DELAY, false)), 1);
    long now = System.nanoTime();
    QueuedCall dead = add(queue, call(1, 3, 0, now - 5000, 1000, now - 1));

    CallQueue.Batch batch = take(queue);

    assertThat(batch.expired()).containsExactly(dead);
    assertThat(batch.calls()).isEmpty();
  }

  @Test
  void remove_waitingCall_leavesTheQueueOnce() {
    CallQueue queue = new CallQueue(8, batching(0, QueuePolicy.UNBOUNDED), 1);
    QueuedCall gone = add(queue, call(1, 3, 0));
    QueuedCall stays = add(queue, call(1, 3, 0));

    assertThat(queue.remove(gone)).isTrue();
    assertThat(queue.remove(gone)).isFalse();
    assertThat(take(queue).calls()).containsExactly(stays);
    assertThat(queue.remove(stays)).isFalse();
  }

  @Test
  void add_wouldEndAfterItsDeadline_isRefusedAtOnce() {
    CallQueue queue = new CallQueue(4, batching(0, QueuePolicy.UNBOUNDED), 1);
    queue.ran(4, TimeUnit.SECONDS.toNanos(10));
    // Nothing is ahead: it runs, however long that takes.
    add(queue, callWithin(4, 0, 1));
    assertThat(take(queue).calls()).hasSize(1);
    // Half of that run and its own.
    assertThatThrownBy(() -> add(queue, callWithin(4, 0, 14)))
        .isInstanceOfSatisfying(
            ModelException.class, e -> assertThat(e.reason()).isEqualTo(Reason.QUEUE_FULL))
        .hasMessageStartingWith("m: 0 calls wait, this one would end after 15000000 us (expected:");
    add(queue, callWithin(4, 0, 16));
    assertThatThrownBy(() -> add(queue, callWithin(4, 0, 24))).isInstanceOf(ModelException.class);
    add(queue, callWithin(4, 0, 26));
    queue.ended();
    assertThat(take(queue).calls()).hasSize(1);
    queue.ended();
    assertThat(take(queue).calls()).hasSize(1);
    queue.ended();
    add(queue, callWithin(4, 0, 1));
  }

  @Test
  void add_lessUrgentCallsAhead_areNotWaitedFor() {
    CallQueue queue = new CallQueue(0, null, 1);
    queue.ran(1, TimeUnit.SECONDS.toNanos(10));
    take(queue, callWithin(1, 0, 1));
    for (int i = 0; i < 100; i++) {
      add(queue, callWithin(1, 2, 10_000));
    }
    add(queue, callWithin(1, 1, 16));
    assertThatThrownBy(() -> add(queue, callWithin(1, 2, 1_000)))
        .isInstanceOf(ModelException.class);
  }

  @Test
  void add_severalInstances_shareWhatWaits() {
    CallQueue queue = new CallQueue(0, null, 2);
    queue.ran(1, TimeUnit.SECONDS.toNanos(10));
    take(queue, callWithin(1, 0, 1));
    take(queue, callWithin(1, 0, 1));
    for (int i = 0; i < 4; i++) {
      add(queue, callWithin(1, 0, 10_000));
    }
    assertThatThrownBy(() -> add(queue, callWithin(1, 0, 34))).isInstanceOf(ModelException.class);
    QueuedCall fits = add(queue, callWithin(1, 0, 36));
    // Those that leave make room for others.
    assertThat(queue.remove(fits)).isTrue();
    add(queue, callWithin(1, 0, 36));
  }

  @Test
  void expected_sizeThatWasNotSeen_isThatOfTheNextSmaller() {
    RunTimes times = new RunTimes();
    assertThat(times.expected(8)).isZero();
    times.ran(16, 1_600);
    assertThat(times.expected(1)).isEqualTo(1_600);
    times.ran(3, 400);
    assertThat(times.expected(4)).isEqualTo(400);
    assertThat(times.expected(15)).isEqualTo(1_600);
    assertThat(times.expected(8)).isEqualTo(400);
    times.ran(4, 900);
    assertThat(times.expected(4)).isEqualTo(500);
  }

  private static void take(CallQueue queue, QueuedCall call) {
    add(queue, call);
    assertThat(one(queue)).isSameAs(call);
  }

  /** A call that has so many seconds. */
  private static QueuedCall callWithin(int rows, int priority, long seconds) {
    long now = System.nanoTime();
    return call(rows, 3, priority, now, 0, now + TimeUnit.SECONDS.toNanos(seconds));
  }

  @Test
  void close_draining_servesWhatWaitsThenEnds() {
    CallQueue queue = new CallQueue(0, null, 1);
    QueuedCall waits = add(queue, call(1, 3, 0));

    assertThat(queue.close(true)).isEmpty();

    assertThat(one(queue)).isSameAs(waits);
    assertThat(queue.take()).isNull();
    assertThatThrownBy(() -> add(queue, call(1, 3, 0)))
        .isInstanceOfSatisfying(
            ModelException.class, e -> assertThat(e.reason()).isEqualTo(Reason.NOT_READY));
  }

  @Test
  void close_notDraining_givesBackWhatWaits() {
    CallQueue queue = new CallQueue(0, null, 1);
    QueuedCall waits = add(queue, call(1, 3, 0));

    assertThat(queue.close(false)).containsExactly(waits);
    assertThat(queue.take()).isNull();
    assertThat(queue.size()).isZero();
  }

  private static Batching batching(long delayNanos, QueuePolicy policy, Integer... preferred) {
    return new Batching(new TreeSet<>(List.of(preferred)), delayNanos, 0, policy, Map.of());
  }

  private static CallQueue.Batch take(CallQueue queue) {
    return requireNonNull(queue.take());
  }

  private static QueuedCall one(CallQueue queue) {
    List<QueuedCall> calls = take(queue).calls();
    assertThat(calls).hasSize(1);
    return calls.getFirst();
  }

  private static QueuedCall add(CallQueue queue, QueuedCall call) {
    queue.add(call);
    return call;
  }

  private static QueuedCall call(int rows, int width, int priority) {
    return call(rows, width, priority, System.nanoTime(), 0, FAR);
  }

  private static QueuedCall call(
      int rows, int width, int priority, long now, long timeoutNanos, long deadline) {
    Tensor x = Tensor.ofFloats(new float[rows * width], rows, width);
    return new QueuedCall(
        new ModelCall("m", Map.of("x", x), deadline, priority),
        new Tensor[] {x},
        rows,
        now,
        timeoutNanos);
  }
}
