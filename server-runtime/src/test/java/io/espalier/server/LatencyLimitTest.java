package io.espalier.server;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class LatencyLimitTest {
  private static final long MILLI = 1_000_000;

  private static void calls(LatencyLimit limit, int number, long at, int depth, double use) {
    for (int i = 0; i < number; i++) {
      limit.ended(at, at, depth, use);
    }
  }

  @Test
  void ended_slowAtTheLimit_fallsInProportionAndNoLowerThanTheLeast() {
    LatencyLimit limit = new LatencyLimit(.7, 2, 1_000, 20, 0);
    calls(limit, 10, 1, 20, 1);
    assertThat(limit.limit()).isEqualTo(14);
    calls(limit, 10, 2, 14, 100);
    assertThat(limit.limit()).isEqualTo(7);
    for (int i = 3; i < 10; i++) {
      calls(limit, 10, i, limit.limit(), 100);
    }
    assertThat(limit.limit()).isEqualTo(2);
  }

  @Test
  void ended_callsLetInBeforeTheFall_sayNothingMore() {
    LatencyLimit limit = new LatencyLimit(.7, 2, 1_000, 20, 0);
    calls(limit, 10, 50, 20, 1);
    assertThat(limit.limit()).isEqualTo(14);
    for (int i = 0; i < 100; i++) {
      limit.ended(100 + i, 49, 20, 1);
    }
    assertThat(limit.limit()).isEqualTo(14);
  }

  @Test
  void ended_farFromTheLimit_saysNothing() {
    LatencyLimit limit = new LatencyLimit(.7, 2, 1_000, 20, 0);
    calls(limit, 1_000, 500 * MILLI, 14, .1);
    calls(limit, 1_000, 900 * MILLI, 14, 9);
    assertThat(limit.limit()).isEqualTo(20);
  }

  @Test
  void ended_quickAtTheLimit_risesToTheMost() {
    LatencyLimit limit = new LatencyLimit(.7, 2, 25, 20, 0);
    calls(limit, 50, 100 * MILLI, 20, .5);
    assertThat(limit.limit()).isEqualTo(21);
    calls(limit, 50, 200 * MILLI, 21, .1);
    assertThat(limit.limit()).isEqualTo(23);
    for (int i = 3; i < 9; i++) {
      calls(limit, 50, i * (100 * MILLI), limit.limit(), .1);
    }
    assertThat(limit.limit()).isEqualTo(25);
  }

  @Test
  void ended_oneSlowInTwenty_isNotTooSlow() {
    LatencyLimit limit = new LatencyLimit(.7, 2, 1_000, 20, 0);
    for (int i = 0; i < 60; i++) {
      limit.ended(100 * MILLI + i, 100 * MILLI, 20, i % 30 == 0 ? 9 : .5);
    }
    assertThat(limit.limit()).isEqualTo(21);
  }

  /**
   * A server of one processor that its calls share, whose time is counted, not waited for: at two
   * and three times what it can do it does all that it can, within the objective.
   */
  @Test
  void ended_overload_keepsGoodputAndObjective() {
    for (long seed = 1; seed <= 5; seed++) {
      SharedProcessor server = new SharedProcessor(seed);
      for (double rate : new double[] {40, 200, 300}) {
        SharedProcessor.Run run = server.run(rate, 60);
        double most = Math.min(rate, 100);
        assertThat(run.good() / 60.).as("seed %d, %s/s", seed, rate).isGreaterThan(.85 * most);
        assertThat(run.quantile(.95)).as("seed %d, %s/s", seed, rate).isLessThan(.1);
      }
    }
  }

  /** Calls of 10 ms on average, objective 100 ms. */
  private static final class SharedProcessor {
    private static final double OBJECTIVE = .1;

    private final Random random;
    private final LatencyLimit limit = new LatencyLimit(.7, 2, 1_000, 20, 0);
    private final List<Call> calls = new ArrayList<>();
    private double now;

    SharedProcessor(long seed) {
      random = new Random(seed);
    }

    private static final class Call {
      double left;
      double started;
      int depth;
    }

    private record Run(List<Double> latencies) {
      long good() {
        return latencies.stream().filter(latency -> latency <= OBJECTIVE).count();
      }

      double quantile(double q) {
        return latencies.get((int) (q * latencies.size()));
      }
    }

    Run run(double rate, double seconds) {
      double end = now + seconds;
      double arrival = now + gap(rate);
      List<Double> latencies = new ArrayList<>();
      while (arrival < end) {
        Call first = calls.stream().min(Comparator.comparingDouble(call -> call.left)).orElse(null);
        double ends = first == null ? Double.POSITIVE_INFINITY : now + first.left * calls.size();
        double next = Math.min(ends, arrival);
        for (Call call : calls) {
          call.left -= (next - now) / calls.size();
        }
        now = next;
        if (first != null && ends <= arrival) {
          calls.remove(first);
          double latency = now - first.started;
          latencies.add(latency);
          limit.ended(nanos(now), nanos(first.started), first.depth, latency / OBJECTIVE);
        } else {
          if (calls.size() < limit.limit()) {
            Call call = new Call();
            call.left = .01 * Math.exp(.3 * random.nextGaussian() - .045);
            call.started = now;
            calls.add(call);
            call.depth = calls.size();
          }
          arrival = now + gap(rate);
        }
      }
      return new Run(latencies.stream().sorted().toList());
    }

    private double gap(double rate) {
      return -Math.log(1 - random.nextDouble()) / rate;
    }

    private static long nanos(double seconds) {
      return (long) (seconds * 1e9);
    }
  }
}
