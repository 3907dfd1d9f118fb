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
            .99,
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
                    .99,
                    9))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("p99: no three of 9 windows in a row agree");
    assertThat(windows).hasValue(9);
  }

  @Test
  void run_tooFewRequestsForTheQuantile_neverAgrees() {
    AtomicInteger windows = new AtomicInteger();

    assertThatThrownBy(
            () ->
                WarmUp.run(
                    () -> {
                      windows.getAndIncrement();
                      return server(1).at(40, Duration.ofSeconds(10));
                    },
                    .99,
                    7))
        .hasMessageContaining("no three of 7 windows")
        .hasMessageContaining("to ?");
    assertThat(windows).hasValue(7);
  }

  @Test
  void requests_ofAPoissonProcess_areNearlyAlwaysEnough() {
    for (double quantile : new double[] {.99, .95, .9, .5}) {
      int average = WarmUp.requests(quantile);
      int told = 0;
      for (int seed = 0; seed < 500; seed++) {
        int requests = Arrivals.poisson(average, Duration.ofSeconds(1), seed).length;
        told += Latencies.tells(quantile, requests) ? 1 : 0;
      }
      assertThat(told).as("p%.0f: %d", 100 * quantile, average).isGreaterThanOrEqualTo(475);
    }
    assertThat(WarmUp.requests(.99)).isBetween(563, 650);
  }

  @Test
  void quantile_fewerRequests_isALowerOne() {
    assertThat(WarmUp.quantile(10_000)).isEqualTo(.99);
    assertThat(WarmUp.quantile(WarmUp.requests(.99))).isEqualTo(.99);
    assertThat(WarmUp.quantile(WarmUp.requests(.99) - 1)).isEqualTo(.95);
    assertThat(WarmUp.quantile(100)).isEqualTo(.9);
    assertThat(WarmUp.quantile(5)).isEqualTo(.5);
  }

  @Test
  void warmSeconds_lowRates_holdEnoughForP99ButNoMoreThanAMinute() {
    WarmUpOptions options = new WarmUpOptions();
    int needed = WarmUp.requests(.99);

    assertThat(options.warmSeconds(1_000)).isEqualTo(10);
    assertThat(options.warmSeconds(40)).isEqualTo(Math.ceilDiv(needed, 40));
    assertThat(options.warmSeconds(20)).isEqualTo(Math.ceilDiv(needed, 20));
    assertThat(options.warmSeconds(.5)).isEqualTo(60);
  }

  private static SimulatedServer server(double millis) {
    return new SimulatedServer(Duration.ofNanos((long) (millis * 1e6)), 5);
  }
}
