package io.espalier.loadtest.driver;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class OpenLoopTest {
  private static final long MILLI = 1_000_000;

  @Test
  void run_targetThatAnswersAtOnce_countsEveryArrival() throws Exception {
    Requests requests =
        new OpenLoop(
                (number, done) -> done.accept(number % 10 == 0 ? Outcome.DEGRADED : Outcome.OK), 1)
            .run(2000, Duration.ofMillis(500));

    assertThat(requests.size()).isEqualTo(Arrivals.poisson(2000, Duration.ofMillis(500), 1).length);
    assertThat(requests.count(Outcome.DEGRADED)).isEqualTo((requests.size() + 9) / 10);
    assertThat(requests.badShare()).isBetween(.09, .11);
    for (int i = 0; i < requests.size(); i++) {
      assertThat(requests.done(i)).isGreaterThanOrEqualTo(requests.planned(i));
    }
  }

  // The stall ends with the arrival of request 300, so no speed of the machine matters.
  @Test
  void run_serverStalls_everyRequestThatWasDueMeanwhileWaitedFromThen() throws Exception {
    List<Consumer<Outcome>> waiting = new ArrayList<>();
    Requests requests =
        new OpenLoop(
                (number, done) -> {
                  if (number < 100 || number > 300) {
                    done.accept(Outcome.OK);
                    return;
                  }
                  waiting.add(done);
                  if (number == 300) {
                    waiting.forEach(one -> one.accept(Outcome.OK));
                  }
                },
                1)
            .run(LongStream.range(0, 500).map(n -> n * MILLI).toArray(), 500);

    assertThat(requests.size()).isEqualTo(500);
    for (int i = 100; i <= 300; i++) {
      assertThat(requests.done(i) - requests.planned(i)).isGreaterThanOrEqualTo((300 - i) * MILLI);
    }
    // A tenth of all waited for longer than 140 ms, which a closed loop would have seen once.
    assertThat(requests.latencies().quantile(.9)).isGreaterThan(140 * MILLI);
  }

  @Test
  void run_sendingItselfStalls_isLateAndVoid() throws Exception {
    Requests requests =
        new OpenLoop(
                (number, done) -> {
                  if (number == 10) {
                    sleep(200);
                  }
                  done.accept(Outcome.OK);
                },
                1)
            .run(LongStream.range(0, 100).map(n -> n * MILLI).toArray(), 500);

    for (int i = 11; i < 100; i++) {
      assertThat(requests.done(i) - requests.planned(i))
          .isGreaterThanOrEqualTo((200 - (i - 10)) * MILLI);
    }
    assertThat(requests.sendLag().quantile(.5)).isGreaterThan(100 * MILLI);
    assertThat(requests.voidReason()).hasValueSatisfying(r -> assertThat(r).contains("send lag"));
  }

  @Test
  void run_moreOnTheirWayThanAllowed_dropsAndIsVoid() throws Exception {
    Thread driver = Thread.currentThread();
    List<Consumer<Outcome>> waiting = new ArrayList<>();
    OpenLoop load = new OpenLoop((number, done) -> waiting.add(done), 1);
    // Answers come once the driver, having sent all, waits for them without a limit of time.
    Thread answering =
        Thread.ofPlatform()
            .start(
                () -> {
                  while (driver.getState() != Thread.State.WAITING) {
                    sleep(1);
                  }
                  waiting.forEach(one -> one.accept(Outcome.OK));
                });

    Requests requests = load.run(LongStream.range(0, 50).map(n -> n * MILLI).toArray(), 20);

    answering.join();
    assertThat(requests.size()).isEqualTo(20);
    assertThat(requests.voidReason()).hasValue("30 arrivals dropped (expected: none)");
  }

  private static void sleep(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
