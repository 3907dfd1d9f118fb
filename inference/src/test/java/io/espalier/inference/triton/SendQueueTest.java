package io.espalier.inference.triton;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.Tensor;
import io.espalier.inference.oip.v2.ModelConfig;
import io.espalier.inference.oip.v2.ModelDynamicBatching;
import io.espalier.inference.oip.v2.ModelInstanceGroup;
import io.espalier.inference.oip.v2.ModelQueuePolicy;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class SendQueueTest {
  private static final SendLimits FOUR_CALLS = new SendLimits(false, 4, 4, 2);

  private final List<SentCall> sent = new ArrayList<>();
  private final SendQueue queue = new SendQueue("m", (from, call) -> sent.add(call));

  @Test
  void of_batchingModel_allowsTwoBatchesAnInstance() {
    ModelConfig.Builder config =
        ModelConfig.newBuilder()
            .setMaxBatchSize(8)
            .addInstanceGroup(ModelInstanceGroup.newBuilder().setCount(2))
            .addInstanceGroup(ModelInstanceGroup.newBuilder().setCount(1).addGpus(0).addGpus(1))
            .setDynamicBatching(ModelDynamicBatching.getDefaultInstance());
    assertThat(SendLimits.of(config.build()))
        .isEqualTo(new SendLimits(true, 64, Integer.MAX_VALUE, Integer.MAX_VALUE));

    config.setDynamicBatching(
        ModelDynamicBatching.newBuilder()
            .setDefaultQueuePolicy(ModelQueuePolicy.newBuilder().setMaxQueueSize(5)));
    assertThat(SendLimits.of(config.build())).isEqualTo(new SendLimits(true, 64, 9, 5));
  }

  @Test
  void of_modelThatDoesNotBatch_countsCalls() {
    assertThat(SendLimits.of(ModelConfig.newBuilder().setMaxBatchSize(8).build()))
        .isEqualTo(new SendLimits(false, 2, Integer.MAX_VALUE, Integer.MAX_VALUE));
  }

  @Test
  void add_limitsUnknown_waits() {
    SentCall early = add(1, 0);
    assertThat(sent).isEmpty();

    queue.limit(FOUR_CALLS);

    assertThat(sent).containsExactly(early);
  }

  @Test
  void add_moreThanMayWait_refusesTheNewest() {
    queue.limit(FOUR_CALLS);
    List<SentCall> calls = new ArrayList<>();
    for (int i = 0; i < 7; i++) {
      calls.add(add(1, 0));
    }

    assertThat(sent).isEqualTo(calls.subList(0, 4));
    assertThat(reason(calls.get(6))).isEqualTo(Reason.QUEUE_FULL);
    queue.ended(calls.get(0));
    assertThat(sent).isEqualTo(calls.subList(0, 5));
    assertThat(queue.size()).isEqualTo(1);
  }

  @Test
  void ended_whileOthersWait_sendsTheUrgentFirst() {
    queue.limit(new SendLimits(false, 1, 1, 10));
    SentCall first = add(1, 0);
    SentCall later = add(1, 1);
    SentCall urgent = add(1, 0);

    queue.ended(first);
    queue.ended(urgent);

    assertThat(sent).containsExactly(first, urgent, later);
  }

  @Test
  void remove_waitingCall_isNeverSent() {
    queue.limit(new SendLimits(false, 1, 1, 10));
    SentCall first = add(1, 0);
    SentCall gone = add(1, 0);
    SentCall last = add(1, 0);

    assertThat(queue.remove(gone)).isTrue();
    assertThat(queue.remove(first)).isFalse();
    queue.ended(first);

    assertThat(sent).containsExactly(first, last);
  }

  @Test
  void close_waitingAndFurtherCalls_failAsItSays() {
    SentCall waiting = add(1, 0);

    queue.close(new ModelException(Reason.UNKNOWN_MODEL, "m: not found"));

    assertThat(reason(waiting)).isEqualTo(Reason.UNKNOWN_MODEL);
    assertThat(reason(add(1, 0))).isEqualTo(Reason.UNKNOWN_MODEL);
  }

  /** Whatever comes and goes, the server has no more than it may, and idles for no call. */
  @Test
  void add_randomCalls_keepTheServerWithinItsLimitsAndBusy() {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    for (int round = 0; round < 2000; round++) {
      sent.clear();
      SendQueue tried = new SendQueue("m", (from, call) -> sent.add(call));
      SendLimits limits =
          new SendLimits(random.nextBoolean(), 8 + random.nextInt(9), 1 + random.nextInt(8), 5);
      tried.limit(limits);
      List<SentCall> all = new ArrayList<>();
      List<SentCall> running = new ArrayList<>();
      for (int step = 0; step < 60; step++) {
        switch (random.nextInt(4)) {
          case 0 -> {
            if (!running.isEmpty()) {
              tried.ended(running.remove(random.nextInt(running.size())));
            }
          }
          case 1 -> {
            if (!all.isEmpty()) {
              tried.remove(all.get(random.nextInt(all.size())));
            }
          }
          default -> {
            SentCall call = call(1 + random.nextInt(8), random.nextInt(2));
            all.add(call);
            tried.add(call);
          }
        }
        running.addAll(sent);
        sent.clear();
        int work = running.stream().mapToInt(limits::work).sum();
        assertThat(work).as("seed %d", seed).isLessThanOrEqualTo(limits.work());
        assertThat(running).hasSizeLessThanOrEqualTo(limits.calls());
        assertThat(tried.atServer()).isEqualTo(running.size());
        assertThat(tried.size()).isLessThanOrEqualTo(2 * limits.waiting());
        if (running.isEmpty()) {
          assertThat(tried.size()).isZero();
        }
      }
    }
  }

  private SentCall add(int rows, int priority) {
    SentCall call = call(rows, priority);
    queue.add(call);
    return call;
  }

  private static SentCall call(int rows, int priority) {
    return new SentCall(
        new ModelCall("m", Map.of("x", Tensor.ofFloats(new float[rows], rows, 1)), 0, priority));
  }

  private static Reason reason(SentCall call) {
    Throwable error = catchThrowable(() -> call.result().join());
    return ((ModelException) requireNonNull(error.getCause())).reason();
  }
}
