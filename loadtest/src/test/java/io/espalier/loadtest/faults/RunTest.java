package io.espalier.loadtest.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.loadtest.driver.OpenLoop;
import io.espalier.loadtest.driver.Outcome;
import io.espalier.loadtest.driver.Requests;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class RunTest {
  private static final Duration SHORT = Duration.ofMillis(20);

  private final AtomicInteger sent = new AtomicInteger();
  private final OpenLoop load =
      new OpenLoop(
          (number, done) -> {
            sent.incrementAndGet();
            done.accept(Outcome.OK);
          },
          1);

  private Run run(Duration longest, int requests) {
    return new Run(load, 1_000, sent::get, new Run.Plan(SHORT, SHORT, longest, requests));
  }

  @Test
  void go_moreRequestsThanOneRoundSends_doesTheStepsAgain() throws Exception {
    AtomicInteger rounds = new AtomicInteger();
    Run run = run(Duration.ofHours(1), 200);

    Requests requests =
        run.go(
            () -> {
              rounds.incrementAndGet();
              Thread.sleep(SHORT);
            });

    assertThat(requests.size()).isGreaterThanOrEqualTo(200);
    assertThat(rounds.get()).isGreaterThan(1);
    assertThat(run.began()).isLessThan(run.ended());
    assertThat(run.settled() - run.ended()).isEqualTo(13_333_333);
  }

  @Test
  void go_loadEndsBeforeItsRequestsAreSent_saysSoAndEnds() {
    Run run = run(Duration.ofSeconds(1), 1_000);
    AtomicInteger rounds = new AtomicInteger();

    assertThatThrownBy(
            () ->
                run.go(
                    () -> {
                      // A load that falls short, whatever the seed gives.
                      sent.set(0);
                      rounds.incrementAndGet();
                      Thread.sleep(100);
                    }))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("the load ended after ");
    assertThat(rounds.get()).isPositive();
  }

  @Test
  void go_driverThatFails_saysWhy() {
    OpenLoop failing =
        new OpenLoop(
            (number, done) -> {
              throw new IllegalStateException("no more files");
            },
            1);
    Run run =
        new Run(
            failing, 1_000, () -> 0, new Run.Plan(SHORT, SHORT, Duration.ofHours(1), 1_000_000));

    assertThatThrownBy(() -> run.go(() -> Thread.sleep(100)))
        .hasMessageContaining("the load ended: ")
        .hasMessageContaining("no more files");
  }

  @Test
  void constructor_moreRequestsThanTheLongestLoadHolds_isRefused() {
    assertThatThrownBy(() -> run(Duration.ofHours(2), 7_200_001))
        .hasMessageContaining("requests: 7200001 at 1000.0/s (expected: so many in 2.0 h");
  }
}
