package io.espalier.loadtest.live;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.loadtest.driver.Outcome;
import io.espalier.loadtest.driver.Requests;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class SoakCommandTest {
  /** A thousand requests, some of which ended otherwise than well. */
  private static boolean holds(Outcome outcome, int count) {
    Outcome[] outcomes = new Outcome[1_000];
    Arrays.setAll(outcomes, i -> i < count ? outcome : Outcome.OK);
    long[] times = new long[outcomes.length];
    SoakCommand.Counts counts = new SoakCommand.Counts();
    counts.add(new Requests(times, times, times, outcomes, 0));
    return counts.hold();
  }

  @Test
  void hold_oneInAThousandDegraded_doesAndTwoDoNot() {
    assertThat(holds(Outcome.DEGRADED, 0)).isTrue();
    assertThat(holds(Outcome.DEGRADED, 1)).isTrue();
    assertThat(holds(Outcome.DEGRADED, 2)).isFalse();
    assertThat(holds(Outcome.DEGRADED, 1_000)).isFalse();
  }

  @Test
  void hold_oneFailedOrRefused_doesNot() {
    assertThat(holds(Outcome.FAILED, 1)).isFalse();
    assertThat(holds(Outcome.REFUSED, 1)).isFalse();
  }

  @Test
  void hold_noRequests_doesNot() {
    assertThat(new SoakCommand.Counts().hold()).isFalse();
  }
}
