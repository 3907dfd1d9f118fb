package io.espalier.loadtest.driver;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

class OverloadTest {
  private static final long MILLI = 1_000_000;
  private static final Duration SLO = Duration.ofMillis(100);

  /**
   * A second of requests, one a millisecond: each tenth is the modest tenant's and answered, every
   * other one of the greedy tenant's is refused.
   */
  private static Overload run(long answerMillis, long refusalMillis, int modestRefused) {
    return run(answerMillis, refusalMillis, modestRefused, 600);
  }

  private static Overload run(
      long answerMillis, long refusalMillis, int modestRefused, double highestGoodput) {
    int count = 1_000;
    long[] planned = new long[count];
    long[] sent = new long[count];
    long[] done = new long[count];
    Outcome[] outcomes = new Outcome[count];
    for (int i = 0; i < count; i++) {
      planned[i] = i * MILLI;
      sent[i] = planned[i] + MILLI / 2;
      boolean modest = i % 10 == 0;
      boolean refused = modest ? i / 10 < modestRefused : i % 2 == 0;
      outcomes[i] = refused ? Outcome.REFUSED : Outcome.OK;
      done[i] = planned[i] + (refused ? refusalMillis : answerMillis) * MILLI;
    }
    return new Overload(
        new Requests(planned, sent, done, outcomes, 0),
        request -> request % 10 == 0,
        SLO,
        600,
        highestGoodput);
  }

  @Test
  void shortcomings_goodRun_none() {
    Overload overload = run(99, 4, 0);
    assertThat(overload.shortcomings()).isEmpty();
    assertThat(overload.goodputShare()).isBetween(.99, 1.01);
    assertThat(overload.modestServed()).isEqualTo(1);
    assertThat(overload.greedyServed()).isBetween(.55, .56);
    assertThat(overload.admitted().count() + overload.refused().count()).isEqualTo(1_000);
    assertThat(overload.refused().quantile(.5)).isBetween(4 * MILLI, 4 * MILLI + MILLI / 100);
    assertThat(overload.refusedFromSent().quantile(.5))
        .isBetween(7 * MILLI / 2, 7 * MILLI / 2 + MILLI / 100);
  }

  @Test
  void shortcomings_eachKind_isNamed() {
    assertThat(run(110, 4, 0).shortcomings())
        .satisfiesExactly(
            goodput -> assertThat(goodput).startsWith("goodput 0.000 of the knee's, 600.0/s"),
            highest -> assertThat(highest).startsWith("goodput 0.000 of the highest"),
            late -> assertThat(late).startsWith("p99 of the admitted 110."),
            modest -> assertThat(modest).startsWith("the modest tenant had 0.000"));
    assertThat(run(99, 5, 0).shortcomings())
        .singleElement()
        .asString()
        .startsWith("p99 of refusals 5.00 ms (expected: < 5 ms)");
    assertThat(run(99, 4, 6).shortcomings())
        .isEqualTo(List.of("the modest tenant had 0.940 of what it asked for (expected: >= 0.95)"));
  }

  @Test
  void shortcomings_lessThanAnotherRunHad_isNamedThoughItIsMoreThanTheKnees() {
    assertThat(run(99, 4, 0, 630).shortcomings()).isEmpty();
    Overload fallen = run(99, 4, 0, 900);
    assertThat(fallen.goodputShare()).isBetween(.99, 1.01);
    assertThat(fallen.shortcomings())
        .singleElement()
        .asString()
        .startsWith("goodput 0.667 of the highest seen, 900.0/s");
  }
}
