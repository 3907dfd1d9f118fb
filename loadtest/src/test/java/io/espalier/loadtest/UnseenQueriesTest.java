package io.espalier.loadtest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import org.junit.jupiter.api.Test;

class UnseenQueriesTest {
  private static final List<String> LOGGED =
      List.of("red  Shoes for men", "kettle", "wireless headphones", "garden hose 20m", "lamp");

  private static List<String> made(UnseenQueries queries, int count) {
    List<String> made = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      made.add(queries.next());
    }
    return made;
  }

  @Test
  void next_untilNoneAreLeft_isNeverALoggedOneNorOneTwice() {
    UnseenQueries queries = new UnseenQueries(LOGGED, 1);
    // Five first halves, each with the second halves of the four others.
    List<String> made = made(queries, 20);
    assertThat(new HashSet<>(made)).hasSize(20);
    assertThat(made)
        .doesNotContain("red shoes for men", "wireless headphones", "kettle", "lamp")
        .allMatch(query -> query.split(" ").length >= 2);
    assertThatThrownBy(() -> queries.next())
        .hasMessageContaining("5 logged queries make no more that were not asked");
  }

  @Test
  void next_sameSeed_isTheSame() {
    assertThat(made(new UnseenQueries(LOGGED, 3), 10))
        .isEqualTo(made(new UnseenQueries(LOGGED, 3), 10))
        .isNotEqualTo(made(new UnseenQueries(LOGGED, 4), 10));
  }
}
