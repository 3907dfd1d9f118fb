package io.espalier.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.espalier.catalog.v1.ScoreKind;
import io.espalier.ranking.v1.RankedCandidate;
import io.espalier.retrieval.v1.Candidate;
import io.espalier.retrieval.v1.RetrieveResponse;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ListMergeTest {
  private static SourceList.Retrieved list(
      int source, String bundle, String rewrite, double weight, Object... idsAndScores) {
    RetrieveResponse.Builder response =
        RetrieveResponse.newBuilder().setScoreKind(ScoreKind.SCORE_KIND_BM25);
    for (int i = 0; i < idsAndScores.length; i += 2) {
      response.addCandidates(
          Candidate.newBuilder()
              .setItemId((String) idsAndScores[i])
              .setScore(((Number) idsAndScores[i + 1]).doubleValue()));
    }
    return SourceList.Retrieved.of(source, bundle, rewrite, weight, response.build());
  }

  private static ListMerge merge(String merge, String more) {
    return new ListMerge(
        RouteFile.parse(
                """
                name: s
                kind: search
                sources: [{bundle: a@1}, {bundle: b@1}]
                merge: %s
                %s
                """
                    .formatted(merge, more),
                "x")
            .base());
  }

  @Test
  void merge_reciprocalRanks_sumWeightOverKPlusRank() {
    List<ListItem> merged =
        merge("{method: rrf, k: 60}", "")
            .merge(
                List.of(
                    list(0, "a", "", 1, "x", 9, "y", 8),
                    list(1, "b", "", 2, "y", 0.3, "z", 0.2),
                    list(0, "a", "other words", 0.5, "z", 4)));
    assertThat(merged).extracting(ListItem::id).containsExactly("y", "z", "x");
    assertThat(merged.get(0).score()).isCloseTo(1 / 62.0 + 2 / 61.0, within(1e-12));
    assertThat(merged.get(1).score()).isCloseTo(2 / 62.0 + 0.5 / 61.0, within(1e-12));
    assertThat(merged.get(2).score()).isCloseTo(1 / 61.0, within(1e-12));
    assertThat(merged.get(1).hits()).hasSize(2);
    assertThat(merged.get(1).hits().get(1).list().rewrite()).isEqualTo("other words");
    assertThat(merged.get(1).hits().get(1).list().bestScore()).isEqualTo(4);
  }

  @Test
  void merge_calibrated_bestListOfASourceCountsAndMissingOnesAreFloored() {
    ListMerge merge =
        merge(
            "{method: calibrated, calibration: {a: {scale: 2, offset: 1, floor: -5, weight: 3},"
                + " b: {floor: -4}, k: {scale: 10, floor: -7}}}",
            "ranking: {bundle: k@1}");
    List<ListItem> merged =
        merge.merge(
            List.of(
                list(0, "a", "", 1, "x", -1, "y", -20),
                list(1, "b", "", 1, "y", -2),
                list(0, "a", "w", 1, "y", -0.5)));
    // y: 3·max(max(-5, -39), 2·-0.5+1) + -2 = -2; x: 3·-1 + -4 = -7
    assertThat(merged).extracting(ListItem::id).containsExactly("y", "x");
    assertThat(merged).extracting(ListItem::score).containsExactly(-2.0, -7.0);
    List<ListItem> ranked =
        merge.withRanking(
            merged, scores("y", -1, "x", 0.5), ScoreKind.SCORE_KIND_FUSED_LOG_PROBABILITY);
    // y: -2 + max(-7, -10) = -9; x: -7 + 5 = -2
    assertThat(ranked).extracting(ListItem::id).containsExactly("x", "y");
    assertThat(ranked).extracting(ListItem::score).containsExactly(-2.0, -9.0);
  }

  private static List<RankedCandidate> scores(Object... idsAndScores) {
    List<RankedCandidate> scores = new ArrayList<>();
    for (int i = 0; i < idsAndScores.length; i += 2) {
      scores.add(
          RankedCandidate.newBuilder()
              .setItemId((String) idsAndScores[i])
              .setScore(((Number) idsAndScores[i + 1]).doubleValue())
              .build());
    }
    return scores;
  }

  @Test
  void withRanking_methods_rankerAloneOrOneMoreList() {
    List<SourceList.Retrieved> lists =
        List.of(list(0, "a", "", 1, "x", 3, "y", 2), list(1, "b", "", 1, "z", 1));
    ListMerge alone = merge("{method: ranker}", "ranking: {bundle: k@1}");
    List<ListItem> merged = alone.merge(lists);
    assertThat(merged).extracting(ListItem::id).containsExactly("x", "z", "y");
    List<RankedCandidate> scores = scores("x", 0.1, "z", Double.NaN, "y", 0.7);
    List<ListItem> ranked = alone.withRanking(merged, scores, ScoreKind.SCORE_KIND_RELEVANCE);
    assertThat(ranked).extracting(ListItem::id).containsExactly("y", "x", "z");
    assertThat(ranked.getFirst().kind()).isEqualTo(ScoreKind.SCORE_KIND_RELEVANCE);

    ListMerge fused = merge("{method: rrf, k: 1, weights: {k: 10}}", "ranking: {bundle: k@1}");
    List<ListItem> both =
        fused.withRanking(fused.merge(lists), scores, ScoreKind.SCORE_KIND_RELEVANCE);
    assertThat(both.getFirst().id()).isEqualTo("y");
    assertThat(both.getFirst().score()).isCloseTo(1 / 3.0 + 10 / 2.0, within(1e-12));
    assertThat(both.getFirst().kind()).isEqualTo(ScoreKind.SCORE_KIND_RECIPROCAL_RANK);
  }

  @Test
  void merge_equalScores_orderIsTheSameWhateverTheOrderOfLists() {
    long seed = 20260101;
    Random random = new Random(seed);
    for (int round = 0; round < 200; round++) {
      List<SourceList.Retrieved> lists = new ArrayList<>();
      for (int source = 0; source < 4; source++) {
        List<Object> entries = new ArrayList<>();
        for (int i = 0; i < random.nextInt(8); i++) {
          entries.add("i" + random.nextInt(10));
          entries.add(-i);
        }
        lists.add(list(source, "s" + source, "", 1, entries.toArray()));
      }
      ListMerge merge = merge("{method: rrf, k: 60}", "");
      List<String> expected = merge.merge(lists).stream().map(ListItem::id).toList();
      Collections.shuffle(lists, random);
      assertThat(merge.merge(lists).stream().map(ListItem::id).toList())
          .as("seed %d, round %d", seed, round)
          .isEqualTo(expected)
          .doesNotHaveDuplicates();
    }
  }
}
