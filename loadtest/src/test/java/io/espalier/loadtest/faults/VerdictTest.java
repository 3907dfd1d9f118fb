package io.espalier.loadtest.faults;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.loadtest.driver.Outcome;
import io.espalier.loadtest.driver.Requests;
import io.espalier.loadtest.faults.Callers.Kind;
import io.espalier.loadtest.faults.Callers.Trouble;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntPredicate;
import org.junit.jupiter.api.Test;

/** A request each millisecond; their quarters are quiet, disturbed, recovering, and at the end. */
class VerdictTest {
  private static final long MILLI = 1_000_000;
  private static final int QUARTER = 250;

  private final Requests requests = requests(4 * QUARTER);
  private final Map<Integer, Trouble> troubles = new HashMap<>();

  private static Requests requests(int count) {
    long[] planned = new long[count];
    long[] done = new long[count];
    Outcome[] outcomes = new Outcome[count];
    for (int i = 0; i < count; i++) {
      planned[i] = i * MILLI;
      done[i] = planned[i] + MILLI / 2;
      outcomes[i] = Outcome.OK;
    }
    return new Requests(planned, planned, done, outcomes, 0);
  }

  private void trouble(Kind kind, IntPredicate which) {
    for (int i = 0; i < requests.size(); i++) {
      if (which.test(i)) {
        troubles.put(i, new Trouble(kind, "status"));
      }
    }
  }

  private Verdict verdict() {
    return Verdict.of(
        requests,
        troubles,
        requests.planned(QUARTER),
        requests.planned(2 * QUARTER),
        requests.planned(3 * QUARTER));
  }

  private List<String> fault() {
    return verdict().shortcomings(false);
  }

  private List<String> planned() {
    return verdict().shortcomings(true);
  }

  private static boolean isDisturbed(int request) {
    return request > QUARTER && request < 2 * QUARTER;
  }

  private static boolean isEnd(int request) {
    return request >= 3 * QUARTER;
  }

  @Test
  void shortcomings_noTrouble_none() {
    assertThat(fault()).isEmpty();
    assertThat(planned()).isEmpty();
    assertThat(verdict().troubledNanos()).isZero();
    assertThat(verdict().afterNanos()).isZero();
  }

  @Test
  void shortcomings_failedThoughThereWasASecondTry_isOne() {
    trouble(Kind.FAILED, request -> request == QUARTER + 5);
    assertThat(fault()).singleElement().asString().startsWith("1 requests failed though");
    assertThat(verdict().examples()).singleElement().asString().endsWith("FAILED status");
    assertThat(verdict().troubledNanos()).isEqualTo(5 * MILLI);
    assertThat(verdict().afterNanos()).isNegative();
  }

  @Test
  void shortcomings_troubleThatEndsWithAFault_isNone() {
    trouble(Kind.FAILED_LATE, request -> isDisturbed(request) && request % 3 == 0);
    trouble(Kind.REFUSED, request -> isDisturbed(request) && request % 3 == 1);
    trouble(Kind.DEGRADED, request -> isDisturbed(request) && request % 3 == 2);
    assertThat(fault()).isEmpty();
    assertThat(planned()).hasSize(3).anyMatch(text -> text.contains("degraded by a planned"));
  }

  @Test
  void shortcomings_degradedToTheEnd_sayThatItDidNotRecover() {
    trouble(Kind.DEGRADED, request -> request > QUARTER);
    assertThat(fault()).singleElement().asString().startsWith("at the end ").contains("degraded");
    assertThat(verdict().afterNanos()).isPositive();
  }

  @Test
  void shortcomings_oneWriteRefusedAtTheEnd_sayThatItDidNotRecover() {
    trouble(Kind.REFUSED, request -> request == requests.size() - 2);
    assertThat(fault()).singleElement().asString().startsWith("at the end 1 of ");
  }

  @Test
  void shortcomings_oneLateAnswerAtTheEnd_isTheMachines() {
    trouble(Kind.DEGRADED, request -> request == requests.size() - 2);
    assertThat(fault()).isEmpty();
  }

  @Test
  void shortcomings_failuresBeforeTheFirstStep_count() {
    trouble(Kind.FAILED, request -> request == 3);
    assertThat(fault()).singleElement().asString().startsWith("before the first step 1 of ");
    assertThat(verdict().quiet().count(Kind.FAILED)).isOne();
    assertThat(verdict().count(Kind.FAILED)).isZero();
  }

  @Test
  void shortcomings_degradedBeforeTheFirstStep_count() {
    trouble(Kind.DEGRADED, request -> request < QUARTER / 2);
    assertThat(fault()).singleElement().asString().startsWith("before the first step ");
  }

  @Test
  void shortcomings_noRequestAtTheEnd_isOne() {
    long after = requests.size() * MILLI;
    assertThat(Verdict.of(requests, troubles, 0, 0, after).shortcomings(false))
        .singleElement()
        .asString()
        .startsWith("no request was due at the end");
  }

  @Test
  void end_isPartOfWhatWasDisturbed() {
    trouble(Kind.SECOND_TRY, VerdictTest::isEnd);
    Verdict verdict = verdict();
    assertThat(verdict.end().count(Kind.SECOND_TRY))
        .isEqualTo(verdict.count(Kind.SECOND_TRY))
        .isEqualTo(requests.size() - 3L * QUARTER);
  }
}
