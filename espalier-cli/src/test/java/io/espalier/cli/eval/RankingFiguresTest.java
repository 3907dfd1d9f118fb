package io.espalier.cli.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class RankingFiguresTest {
  private static final List<String> RANKED = List.of("a", "b", "c", "d");

  @Test
  void hit_targetBeforeK_isOne() {
    assertThat(RankingFigures.hit(RANKED, "c", 3)).isEqualTo(1);
    assertThat(RankingFigures.hit(RANKED, "c", 2)).isZero();
    assertThat(RankingFigures.hit(RANKED, "z", 4)).isZero();
  }

  @Test
  void ndcgOfOne_targetAtRank_isItsDiscount() {
    assertThat(RankingFigures.ndcgOfOne(RANKED, "a", 5)).isEqualTo(1);
    // 1 / log2(3)
    assertThat(RankingFigures.ndcgOfOne(RANKED, "b", 5))
        .isCloseTo(0.6309297535714575, within(1e-12));
    // 1 / log2(4)
    assertThat(RankingFigures.ndcgOfOne(RANKED, "c", 5)).isCloseTo(0.5, within(1e-12));
    assertThat(RankingFigures.ndcgOfOne(RANKED, "d", 3)).isZero();
  }

  @Test
  void ndcg_gradedList_matchesHandComputation() {
    Map<String, Integer> grades = Map.of("a", 1, "c", 3, "x", 2, "y", 0);
    // DCG  = 1 + 0 + 7 · 0.5                         = 4.5
    // IDCG = 7 + 3 · 0.6309297535714575 + 1 · 0.5    = 9.392789260714371
    assertThat(RankingFigures.ndcg(RANKED, grades, 10))
        .isCloseTo(4.5 / 9.392789260714371, within(1e-12));
    // At 1: DCG 1, IDCG 7.
    assertThat(RankingFigures.ndcg(RANKED, grades, 1)).isCloseTo(1.0 / 7, within(1e-12));
  }

  @Test
  void ndcg_idealOrder_isOne() {
    assertThat(RankingFigures.ndcg(List.of("x", "y"), Map.of("x", 3, "y", 1), 10))
        .isCloseTo(1, within(1e-12));
  }

  @Test
  void ndcgOfJudged_unjudgedItems_areLeftOut() {
    assertThat(RankingFigures.ndcgOfJudged(List.of("u", "x", "v", "y"), Map.of("x", 3, "y", 1), 10))
        .isCloseTo(1, within(1e-12));
  }

  @Test
  void recall_positiveGradesAlone_areRelevant() {
    Map<String, Integer> grades = Map.of("a", 1, "b", 0, "d", 2, "x", 3);
    assertThat(RankingFigures.recall(RANKED, grades, 3)).isCloseTo(1.0 / 3, within(1e-12));
    assertThat(RankingFigures.recall(RANKED, grades, 100)).isCloseTo(2.0 / 3, within(1e-12));
  }

  @Test
  void judgedShare_shortList_countsItsOwnPlaces() {
    assertThat(RankingFigures.judgedShare(RANKED, Set.of("a", "d"), 10)).isEqualTo(0.5);
    assertThat(RankingFigures.judgedShare(List.of(), Set.of("a"), 10)).isZero();
  }
}
