package io.espalier.cli.eval;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class FiguresTest {
  private static final Set<String> CATALOGUE = Set.of("a", "b", "c", "d", "e", "f", "g");

  @Test
  void toJson_twoUsers_hasTheIssuesFieldsInOrder() {
    Figures figures = new Figures("beauty-tiger", "users", 2, 3);
    figures.record(0, Answer.of(List.of("a", "b", "c")), "b", CATALOGUE, Set.of());
    figures.record(1, Answer.of(List.of("d", "e", "f")), "g", CATALOGUE, Set.of());
    // One hit in two users; its discount at rank 1 is 1 / log2(3) = 0.630930, halved 0.315465.
    assertThat(figures.toJson().toString())
        .isEqualTo(
            "{\"source\":\"beauty-tiger\",\"users\":2,\"recall@5\":0.5,\"recall@10\":0.5,\"recall@100\":null,"
                + "\"ndcg@5\":0.315465,\"ndcg@10\":0.315465,\"illegal\":0,\"short\":0,\"degraded\":0}");
  }

  @Test
  void record_unknownForbiddenOrRepeatedItems_areIllegal() {
    Figures figures = new Figures("route", "users", 3, 2);
    figures.record(0, Answer.of(List.of("a", "unknown")), "a", CATALOGUE, Set.of());
    figures.record(1, Answer.of(List.of("a", "b")), "a", CATALOGUE, Set.of("b"));
    figures.record(2, Answer.of(List.of("a", "a")), "a", CATALOGUE, Set.of());
    assertThat(figures.illegal()).isEqualTo(3);
  }

  @Test
  void record_fewerItemsThanAsked_isShort() {
    Figures figures = new Figures("route", "queries", 2, 3);
    figures.record(0, Answer.of(List.of("a", "b")), Map.of("a", 3), CATALOGUE);
    figures.record(1, Answer.of(List.of("a", "b", "c")), Map.of("a", 3), CATALOGUE);
    assertThat(figures.shortLists()).isEqualTo(1);
  }

  @Test
  void record_degradedAnswers_areCountedByReason() {
    Figures figures = new Figures("route", "users", 2, 1);
    figures.record(
        0,
        new Answer(List.of("a"), List.of("ranking LATE", "rewrite LATE")),
        "a",
        CATALOGUE,
        Set.of());
    figures.record(1, new Answer(List.of("a"), List.of("ranking LATE")), "a", CATALOGUE, Set.of());
    assertThat(figures.degraded()).isEqualTo(2);
    assertThat(figures.degradations())
        .containsExactlyInAnyOrderEntriesOf(Map.of("ranking LATE", 2, "rewrite LATE", 1));
  }

  @Test
  void reaches100_longList_isMeasured() {
    List<String> hundred = IntStream.range(0, 100).mapToObj(i -> "i" + i).toList();
    Figures figures = new Figures("route", "users", 1, 100);
    figures.record(0, Answer.of(hundred), "i99", Set.copyOf(hundred), Set.of());
    assertThat(figures.reaches100()).isTrue();
    assertThat(figures.toJson().get("recall@100").asDouble()).isEqualTo(1);
  }
}
