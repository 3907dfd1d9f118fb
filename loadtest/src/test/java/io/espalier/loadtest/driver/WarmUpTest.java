package io.espalier.loadtest.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class WarmUpTest {
  @Test
  void run_serverThatGetsFaster_waitsUntilItIsSteady() throws Exception {
    AtomicInteger windows = new AtomicInteger();

    // Seven windows of which each is a third faster than the one before, then a steady state.
    int took =
        WarmUp.run(
            () -> {
              double slower = Math.pow(1.5, Math.max(0, 7 - windows.getAndIncrement()));
              return server(slower).at(40, Duration.ofSeconds(60));
            },
            30);

    assertThat(took).isEqualTo(windows.get()).isGreaterThanOrEqualTo(8);
  }

  @Test
  void run_serverThatNeverSettles_saysSo() {
    AtomicInteger windows = new AtomicInteger();

    assertThatThrownBy(
            () ->
                WarmUp.run(
                    () ->
                        server(windows.getAndIncrement() % 2 == 0 ? 1 : 5)
                            .at(40, Duration.ofSeconds(60)),
                    9))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("no three of 9 windows in a row agree");
    assertThat(windows).hasValue(9);
  }

  private static SimulatedServer server(double millis) {
    return new SimulatedServer(Duration.ofNanos((long) (millis * 1e6)), 5);
  }
}
