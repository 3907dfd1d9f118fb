package io.espalier.loadtest.driver;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

class RequestsTest {
  private static final long MILLI = 1_000_000;

  @Test
  void bySecond_aSecondWithoutRequests_isEmpty() {
    long start = 7_000 * MILLI;
    long[] planned = {start, start + 999 * MILLI, start + 2_000 * MILLI};
    long[] sent = {start, start + 999 * MILLI, start + 2_003 * MILLI};
    long[] done = {start + MILLI, start + 1_500 * MILLI, start + 2_004 * MILLI};
    Requests requests =
        new Requests(
            planned, sent, done, new Outcome[] {Outcome.OK, Outcome.OK, Outcome.REFUSED}, 0);

    List<Requests> seconds = requests.bySecond();

    assertThat(seconds).extracting(Requests::size).containsExactly(2, 0, 1);
    assertThat(seconds.getFirst().good(Duration.ofMillis(500))).isOne();
    assertThat(seconds.getFirst().latencies().max()).isBetween(501 * MILLI, 502 * MILLI);
    assertThat(seconds.getLast().count(Outcome.REFUSED)).isOne();
    assertThat(seconds.getLast().sendLag().max()).isBetween(3 * MILLI, 4 * MILLI);
  }

  @Test
  void bySecond_noRequests_isNone() {
    assertThat(new Requests(new long[0], new long[0], new long[0], new Outcome[0], 0).bySecond())
        .isEmpty();
  }
}
