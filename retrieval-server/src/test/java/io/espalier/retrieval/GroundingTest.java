package io.espalier.retrieval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

/** Figures of the formulas as a double-precision calculator gives them. */
class GroundingTest {
  private static final Grounding SQUARED = new Grounding(2, 0.8, 1500, 1500);
  private static final Grounding CUBED = new Grounding(3, 0.8, 1500, 1500);

  @Test
  void weight_rareAndLikely_isThePowerOfWhatTheDecoderSaysBeyondTheCorpus() {
    assertThat(SQUARED.weight(-2.5, 3, 1, 1000)).isCloseTo(5.812726733003045, within(1e-9));
    assertThat(SQUARED.weight(-2, 1, 1, 308_533)).isCloseTo(80.87827276694854, within(1e-9));
  }

  @Test
  void weight_biasAboveTheCap_countsAsOneOverE() {
    assertThat(CUBED.weight(-2.5 + 12, 3, 1, 1000)).isCloseTo(78.62191795311071, within(1e-9));
    assertThat(CUBED.weight(-1, 3, 1, 1000)).isCloseTo(78.62191795311071, within(1e-9));
  }

  @Test
  void weight_attribute_isThatOfOneAHundredTimesRarer() {
    assertThat(CUBED.weight(-4 + 5, 300, 100, 308_533)).isCloseTo(1324.8833913842493, within(1e-9));
  }

  @Test
  void weight_likelierInTheCorpus_isNone() {
    assertThat(SQUARED.weight(-7, 3, 1, 1000)).isZero();
  }

  @Test
  void weight_occursNowhere_isNone() {
    assertThat(SQUARED.weight(-2, 0, 1, 1000)).isZero();
  }

  @Test
  void score_overlappingNgrams_takesTheBestOfThem() {
    Grounding.Matcher matcher = new Grounding.Matcher();
    matcher.add(new int[] {7, 8}, 3);
    matcher.add(new int[] {8, 9}, 5);
    matcher.add(new int[] {9}, 4);

    assertThat(matcher.score(new int[] {7, 8, 9}, 0.8)).isEqualTo(5);
    assertThat(matcher.score(new int[] {7, 8, 1, 9}, 0.8)).isEqualTo(3 + 4);
  }

  @Test
  void score_tokensThatWereCovered_countLess() {
    Grounding.Matcher matcher = new Grounding.Matcher();
    matcher.add(new int[] {7, 8}, 10);
    matcher.add(new int[] {8, 9}, 5);

    // Half of the second one's tokens are new: 5 · (1 − 0.8 + 0.8 / 2).
    assertThat(matcher.score(new int[] {7, 8, 1, 8, 9}, 0.8)).isCloseTo(10 + 3, within(1e-12));
    // The first one again has none.
    assertThat(matcher.score(new int[] {7, 8, 7, 8}, 0.8)).isCloseTo(10 + 2, within(1e-12));
  }

  @Test
  void score_equalWeights_takesTheLongerThenTheEarlier() {
    Grounding.Matcher matcher = new Grounding.Matcher();
    matcher.add(new int[] {1, 2}, 5);
    matcher.add(new int[] {2, 3, 4}, 5);
    matcher.add(new int[] {4, 5}, 5);

    assertThat(matcher.score(new int[] {1, 2, 3, 4, 5}, 0.8)).isEqualTo(5);
    assertThat(matcher.score(new int[] {1, 2, 2, 3, 4}, 0.8))
        .isCloseTo(5 + 5 * (0.2 + 0.8 / 2), within(1e-12));
  }

  @Test
  void score_nothingMatches_isNone() {
    assertThat(new Grounding.Matcher().score(new int[] {1, 2}, 0.8)).isZero();
  }
}
