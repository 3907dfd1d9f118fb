package io.espalier.loadtest.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class KneeTest {
  private static final Duration LIMIT = Duration.ofMillis(10);

  @Test
  void find_serverOfKnownQueue_isNearWhatTheoryGives() throws Exception {
    long seed = new Random().nextLong();
    System.out.println("seed: " + seed);
    for (int round = 0; round < 30; round++) {
      Random random = new Random(seed + round);
      double service = .2 + 1.3 * random.nextDouble();
      SimulatedServer server =
          new SimulatedServer(Duration.ofNanos((long) (service * 1e6)), seed + round);
      // Times in an M/M/1 queue are exponential with mean 1 / (1 / service - rate).
      double theory = 1e3 * (1 / service - Math.log(100) / LIMIT.toMillis());
      double first = theory * (.05 + 4 * random.nextDouble());
      List<Knee.Point> points = new ArrayList<>();

      double knee =
          new Knee(rate -> server.at(rate, Duration.ofSeconds(200)), LIMIT, points::add)
              .find(first);

      assertThat(knee)
          .as("seed %d, service %f ms", seed + round, service)
          .isBetween(.8 * theory, 1.2 * theory);
      assertThat(points).anyMatch(point -> point.rate() == knee && point.holds());
      assertThat(points).anyMatch(point -> !point.holds());
    }
  }

  @Test
  void find_oneAnswerInFiveHundredDegraded_isNoKnee() {
    assertThatThrownBy(
            () -> new Knee(rate -> constant(rate, 1_000_000, 500, 0), LIMIT, point -> {}).find(100))
        .hasMessageContaining("even at");
  }

  @Test
  void find_driverLateAboveARate_doesNotCallThatTheKnee() {
    Knee knee =
        new Knee(
            rate ->
                constant(rate, rate < 200 ? 1_000_000 : 20_000_000, 0, rate < 200 ? 0 : 5_000_000),
            LIMIT,
            point -> {});

    assertThatThrownBy(() -> knee.find(150))
        .hasMessageContaining("the driver is the limit: p99 send lag 5.0");
  }

  @Test
  void confirm_luckySearch_goesLowerUntilARunHolds() throws Exception {
    Knee knee = new Knee(rate -> constant(rate, 1_000_000, 0, 0), LIMIT, point -> {});
    Knee.Trial longer = rate -> constant(rate, rate > 185 ? 20_000_000 : 1_000_000, 0, 0);

    Knee.Point confirmed = knee.confirm(200, longer, 3);

    assertThat(confirmed.holds()).isTrue();
    assertThat(confirmed.rate()).isBetween(181., 182.);
    assertThat(knee.confirm(200, longer, 1).holds()).isFalse();
    assertThat(knee.confirm(200, longer, 0).rate()).isEqualTo(200);
  }

  private static Requests constant(double rate, long latency, int degradedEvery, long lag) {
    long[] planned = Arrivals.poisson(rate, Duration.ofSeconds(60), 1);
    Outcome[] outcomes = new Outcome[planned.length];
    Arrays.setAll(
        outcomes, i -> degradedEvery > 0 && i % degradedEvery == 0 ? Outcome.DEGRADED : Outcome.OK);
    return new Requests(
        planned,
        Arrays.stream(planned).map(at -> at + lag).toArray(),
        Arrays.stream(planned).map(at -> at + latency).toArray(),
        outcomes,
        0);
  }
}
