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
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class SendQueueTest {
  private static final SendLimits FOUR_CALLS = new SendLimits(false, 4, 4, 2);

  private final List<SentCall> sent = new ArrayList<>();
  private final Map<String, Integer> loads = new HashMap<>();
  private final SendQueue<String> queue =
      new SendQueue<>(
          "m", server -> loads.getOrDefault(server, 0), (server, call) -> sent.add(call));

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

    queue.open("a", FOUR_CALLS);

    assertThat(sent).containsExactly(early);
  }

  @Test
  void add_moreThanMayWait_refusesTheNewest() {
    queue.open("a", FOUR_CALLS);
    List<SentCall> calls = new ArrayList<>();
    for (int i = 0; i < 7; i++) {
      calls.add(add(1, 0));
    }

    assertThat(sent).isEqualTo(calls.subList(0, 4));
    assertThat(reason(calls.get(6))).isEqualTo(Reason.QUEUE_FULL);
    queue.ended("a", calls.get(0));
    assertThat(sent).isEqualTo(calls.subList(0, 5));
    assertThat(queue.size()).isEqualTo(1);
  }

  @Test
  void ended_whileOthersWait_sendsTheUrgentFirst() {
    queue.open("a", new SendLimits(false, 1, 1, 10));
    SentCall first = add(1, 0);
    SentCall later = add(1, 1);
    SentCall urgent = add(1, 0);

    queue.ended("a", first);
    queue.ended("a", urgent);

    assertThat(sent).containsExactly(first, urgent, later);
  }

  @Test
  void remove_waitingCall_isNeverSent() {
    queue.open("a", new SendLimits(false, 1, 1, 10));
    SentCall first = add(1, 0);
    SentCall gone = add(1, 0);
    SentCall last = add(1, 0);

    assertThat(queue.remove(gone)).isTrue();
    assertThat(queue.remove(first)).isFalse();
    queue.ended("a", first);

    assertThat(sent).containsExactly(first, last);
  }

  @Test
  void close_waitingAndFurtherCalls_failAsItSays() {
    SentCall waiting = add(1, 0);

    queue.close(new ModelException(Reason.UNKNOWN_MODEL, "m: not found"));

    assertThat(reason(waiting)).isEqualTo(Reason.UNKNOWN_MODEL);
    assertThat(reason(add(1, 0))).isEqualTo(Reason.UNKNOWN_MODEL);
  }

  @Test
  void add_severalServers_goToTheOneWithLessAndEqualOnesInTurn() {
    List<String> chosen = new ArrayList<>();
    SendQueue<String> tried =
        new SendQueue<>(
            "m", server -> loads.getOrDefault(server, 0), (server, call) -> chosen.add(server));
    tried.open("a", FOUR_CALLS);
    tried.open("b", FOUR_CALLS);
    loads.put("a", 3);
    tried.add(call(1, 0));
    tried.add(call(1, 0));
    assertThat(chosen).containsExactly("b", "b");

    loads.clear();
    chosen.clear();
    for (int i = 0; i < 4; i++) {
      tried.add(call(1, 0));
    }
    assertThat(chosen).containsExactlyInAnyOrder("a", "a", "b", "b");
  }

  @Test
  void shut_serverWithCalls_getsNoMoreUntilItOpensAndStillCountsThem() {
    queue.open("a", new SendLimits(false, 2, 2, 10));
    SentCall first = add(1, 0);
    SentCall second = add(1, 0);

    queue.shut("a");
    SentCall third = add(1, 0);
    queue.ended("a", first);
    assertThat(sent).containsExactly(first, second);
    assertThat(queue.isOpen()).isFalse();

    queue.open("a", new SendLimits(false, 2, 2, 10));
    SentCall fourth = add(1, 0);
    assertThat(sent).containsExactly(first, second, third);
    queue.ended("a", second);
    assertThat(sent).containsExactly(first, second, third, fourth);
  }

  @Test
  void addAgain_anotherServerIsOpen_goesBeforeThoseThatWait() {
    List<String> chosen = new ArrayList<>();
    SendQueue<String> tried =
        new SendQueue<>("m", server -> 0, (server, call) -> chosen.add(server + call.rows()));
    SendLimits single = new SendLimits(false, 1, 1, 10);
    tried.open("a", single);
    tried.open("b", single);
    SentCall lost = call(1, 0);
    SentCall kept = call(2, 0);
    tried.add(lost);
    tried.add(kept);
    tried.add(call(3, 0));
    String at = chosen.getFirst().substring(0, 1);
    String other = at.equals("a") ? "b" : "a";

    tried.shut(at);
    tried.ended(at, lost);
    assertThat(tried.addAgain(lost, at)).isTrue();
    tried.ended(other, kept);

    assertThat(chosen).containsExactly(at + "1", other + "2", other + "1");
  }

  @Test
  void addAgain_noOtherServer_isNotTaken() {
    queue.open("a", FOUR_CALLS);
    SentCall lost = add(1, 0);
    queue.shut("a");
    queue.ended("a", lost);

    assertThat(queue.addAgain(lost, "a")).isFalse();
    assertThat(queue.size()).isZero();
  }

  @Test
  void refuse_untilAServerOpens_failsAtOnce() {
    SentCall waiting = add(1, 0);
    queue.refuse(new ModelException(Reason.NOT_READY, "m: no server answers"));
    assertThat(reason(waiting)).isEqualTo(Reason.NOT_READY);
    assertThat(reason(add(1, 0))).isEqualTo(Reason.NOT_READY);

    queue.hold();
    SentCall held = add(1, 0);
    assertThat(held.result()).isNotDone();
    queue.open("a", FOUR_CALLS);

    assertThat(sent).containsExactly(held);
  }

  /** Whatever comes and goes, the server has no more than it may, and idles for no call. */
  @Test
  void add_randomCalls_keepTheServerWithinItsLimitsAndBusy() {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    for (int round = 0; round < 2000; round++) {
      sent.clear();
      SendQueue<String> tried = new SendQueue<>("m", server -> 0, (server, call) -> sent.add(call));
      SendLimits limits =
          new SendLimits(random.nextBoolean(), 8 + random.nextInt(9), 1 + random.nextInt(8), 5);
      tried.open("a", limits);
      List<SentCall> all = new ArrayList<>();
      List<SentCall> running = new ArrayList<>();
      for (int step = 0; step < 60; step++) {
        switch (random.nextInt(4)) {
          case 0 -> {
            if (!running.isEmpty()) {
              tried.ended("a", running.remove(random.nextInt(running.size())));
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
        assertThat(tried.atServers()).isEqualTo(running.size());
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
