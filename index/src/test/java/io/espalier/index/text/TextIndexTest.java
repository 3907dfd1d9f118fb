package io.espalier.index.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.espalier.index.ScoredItems;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class TextIndexTest {
  private static final List<Map<String, String>> ITEMS =
      List.of(
          Map.of("title", "Running shoes for women", "brand", "Fleet"),
          Map.of("title", "Shoe polish", "brand", "Gloss"),
          Map.of("title", "Fleet runner watch"),
          Map.of("title", "The shoes", "brand", "Fleet"),
          Map.of("title", "The shoes", "brand", "Fleet"),
          Map.of());

  @Test
  void search_english_stemsAndDropsStopWords() {
    try (TextIndex index = index(TextAnalysis.ENGLISH, 1, title(1))) {
      assertThat(items(index.search("shoe", 10, null))).containsExactly(3, 4, 1, 0);
      assertThat(index.search("the", 10, null).size()).isZero();
      assertThat(index.terms("The Women's shoes")).containsExactly("women", "shoe");
    }
  }

  @Test
  void search_standard_keepsWordsAsTheyAre() {
    try (TextIndex index = index(TextAnalysis.STANDARD, 1, title(1))) {
      assertThat(items(index.search("SHOE", 10, null))).containsExactly(1);
      assertThat(items(index.search("the", 10, null))).containsExactly(3, 4);
    }
  }

  @Test
  void search_equalScores_goToTheLowerItem() {
    try (TextIndex index = index(TextAnalysis.STANDARD, 1, title(1))) {
      assertThat(items(index.search("the shoes", 1, null))).containsExactly(3);
    }
  }

  @Test
  void search_legalItems_leaveScoresAsTheyWere() {
    try (TextIndex index =
        index(TextAnalysis.ENGLISH, 0.3f, title(1), new TextField("brand", 2, 0, 1))) {
      ScoredItems all = index.search("fleet shoes", 10, null);
      BitSet legal = new BitSet();
      legal.set(0);
      legal.set(4);
      ScoredItems some = index.search("fleet shoes", 10, legal);

      assertThat(items(some)).containsExactly(4, 0);
      assertThat(some.score(0)).isEqualTo(score(all, 4));
      assertThat(some.score(1)).isEqualTo(score(all, 0));
      assertThat(index.search("fleet shoes", 10, new BitSet()).size()).isZero();
    }
  }

  @Test
  void search_oneField_isBm25() {
    try (TextIndex index = index(TextAnalysis.STANDARD, 1, new TextField("title", 3, 0.4f, 0.9f))) {
      // "polish" is in 1 of the 5 titles; the title has 2 terms, the average is 13/5.
      double idf = Math.log(1 + (5 - 1 + 0.5) / (1 + 0.5));
      double tf = 1 / (1 + 0.9 * (1 - 0.4 + 0.4 * 2 / (13 / 5.0)));

      assertThat((double) index.search("polish", 1, null).score(0))
          .isCloseTo(3 * idf * tf, within(1e-5));
    }
  }

  @Test
  void search_severalFields_bestCountsWholeTheOthersByTheTieBreaker() {
    TextField brand = new TextField("brand", 5, 0, 1);
    double title;
    double whole;
    try (TextIndex index = index(TextAnalysis.STANDARD, 1, title(1))) {
      title = score(index.search("fleet", 10, null), 2);
    }
    try (TextIndex index = index(TextAnalysis.STANDARD, 1, brand)) {
      whole = score(index.search("fleet", 10, null), 0);
    }
    List<Map<String, String>> both = List.of(Map.of("title", "fleet", "brand", "fleet"));
    try (TextIndex sum = build(both, 1f, title(1), brand);
        TextIndex half = build(both, 0.5f, title(1), brand);
        TextIndex best = build(both, 0f, title(1), brand)) {
      double a = sum.search("fleet", 1, null).score(0);
      double b = half.search("fleet", 1, null).score(0);
      double c = best.search("fleet", 1, null).score(0);
      assertThat(a - b).isCloseTo(b - c, within(1e-6)).isPositive();
    }
    assertThat(title).isPositive();
    assertThat(whole).isPositive();
  }

  @Test
  void search_endlessQuery_countsTheFirstTerms() {
    StringBuilder query = new StringBuilder();
    for (int i = 0; i < 5000; i++) {
      query.append("w").append(i).append(' ');
    }
    try (TextIndex index =
        index(TextAnalysis.STANDARD, 1, title(1), new TextField("brand", 1, 0, 1))) {
      assertThat(index.search(query + "polish", 5, null).size()).isZero();
      assertThat(items(index.search("polish " + query, 5, null))).containsExactly(1);
      assertThat(index.search("", 5, null).size()).isZero();
      assertThat(index.search("?!", 5, null).size()).isZero();
    }
  }

  @Test
  void build_badSettings_nameTheSetting() {
    assertThatThrownBy(() -> new TextField("title", 0, 0.5f, 1))
        .hasMessage("title.weight: 0.0 (expected: > 0)");
    assertThatThrownBy(() -> new TextField("title", 1, 1.5f, 1))
        .hasMessage("title.b: 1.5 (expected: 0..1)");
    assertThatThrownBy(() -> new TextField("title", 1, 1, Float.NaN))
        .hasMessage("title.k1: NaN (expected: >= 0)");
    assertThatThrownBy(() -> TextAnalysis.of("german"))
        .hasMessage("analyzer: german (expected: english or standard)");
    assertThatThrownBy(() -> index(TextAnalysis.ENGLISH, 2, title(1)))
        .hasMessage("tie_breaker: 2.0 (expected: 0..1)");
    assertThatThrownBy(() -> index(TextAnalysis.ENGLISH, 1, title(1), title(2)))
        .hasMessage("fields: title twice (expected: once)");
    assertThatThrownBy(() -> index(TextAnalysis.ENGLISH, 1))
        .hasMessage("fields: none (expected: at least one)");
  }

  private static TextField title(float weight) {
    return new TextField("title", weight, 0.75f, 1.2f);
  }

  private static TextIndex index(TextAnalysis analysis, float tieBreaker, TextField... fields) {
    return TextIndex.build(
        List.of(fields),
        analysis,
        tieBreaker,
        ITEMS.size(),
        (item, field) -> ITEMS.get(item).getOrDefault(field, ""));
  }

  private static TextIndex build(
      List<Map<String, String>> items, float tieBreaker, TextField... fields) {
    return TextIndex.build(
        List.of(fields),
        TextAnalysis.STANDARD,
        tieBreaker,
        items.size(),
        (item, field) -> items.get(item).getOrDefault(field, ""));
  }

  private static int[] items(ScoredItems found) {
    int[] items = new int[found.size()];
    for (int rank = 0; rank < items.length; rank++) {
      items[rank] = found.item(rank);
    }
    return items;
  }

  private static float score(ScoredItems found, int item) {
    for (int rank = 0; rank < found.size(); rank++) {
      if (found.item(rank) == item) {
        return found.score(rank);
      }
    }
    throw new AssertionError("item " + item + " was not found");
  }
}
