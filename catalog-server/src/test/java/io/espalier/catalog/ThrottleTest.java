package io.espalier.catalog;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ThrottleTest {
  private static final long MILLI = Duration.ofMillis(1).toNanos();

  private long now;
  private long slept;
  private double load;

  /** Work of random steps, under load and not. */
  @Test
  void run_randomWork_goesOnForItsShareWhileTheMachineIsBusyAlone() {
    Random random = new Random(3);
    for (double share : new double[] {0.1, 0.25, 1}) {
      Throttle throttle =
          new Throttle(
              share,
              () -> load,
              () -> now,
              nanos -> {
                now += nanos;
                slept += nanos;
              });
      for (double of : new double[] {0.2, 0.95}) {
        load = of;
        throttle.begin();
        slept = 0;
        long from = now;
        for (int step = 0; step < 10_000; step++) {
          now += 1 + random.nextLong(5 * MILLI);
          throttle.run();
        }
        double worked = (double) (now - from - slept) / (now - from);
        assertThat(worked).isBetween(of < 0.5 ? 1 : share - 0.001, of < 0.5 ? 1 : share + 0.001);
      }
    }
  }
}
