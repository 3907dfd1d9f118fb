package io.espalier.loadtest.faults;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class AcknowledgementsTest {
  private static final long BEGAN = 1_000;
  private static final long SETTLED = 5_000;

  private static Acknowledgements at(long... times) {
    Acknowledgements acknowledgements = new Acknowledgements(100);
    for (long time : times) {
      acknowledgements.add(time);
    }
    return acknowledgements;
  }

  @Test
  void longestWithout_lastOneLongAgo_countsToNow() {
    assertThat(at(200, 900).longestWithout(1_000)).isEqualTo(700);
    assertThat(at(200, 900).longestWithout(9_000)).isEqualTo(8_100);
    assertThat(at().longestWithout(600)).isEqualTo(500);
  }

  @Test
  void shortcomings_writerThatCameBack_none() {
    assertThat(at(500, 5_500).shortcomings(BEGAN, SETTLED)).isEmpty();
  }

  @Test
  void shortcomings_writerThatNeverTookAnotherChange_isOne() {
    assertThat(at(500, 2_000).shortcomings(BEGAN, SETTLED))
        .singleElement()
        .asString()
        .contains("at the end");
  }

  @Test
  void shortcomings_writerThatNeverWasThere_sayNothingOfTheFault() {
    assertThat(at(5_500).shortcomings(BEGAN, SETTLED))
        .singleElement()
        .asString()
        .contains("before the first step");
    assertThat(at().shortcomings(BEGAN, SETTLED)).hasSize(2);
  }
}
