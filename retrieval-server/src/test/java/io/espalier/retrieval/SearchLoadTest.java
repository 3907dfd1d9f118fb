package io.espalier.retrieval;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.retrieval.Control.LoadWidth;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class SearchLoadTest {

  @Test
  void width_moreSearches_sharesTheBeamsDownToTheLeast() {
    SearchLoad load = new SearchLoad(2);
    List<Integer> widths = new ArrayList<>();
    List<SearchLoad.Search> begun = new ArrayList<>();
    for (int n = 1; n <= 6; n++) {
      begun.add(load.begin());
      widths.add(load.width(50, new LoadWidth(20, 0)));
    }
    assertThat(widths).containsExactly(50, 50, 33, 25, 20, 20);
    assertThat(load.width(50, new LoadWidth(20, 6))).isEqualTo(50);
    assertThat(load.width(10, new LoadWidth(20, 0))).isEqualTo(10);

    begun.subList(1, 6).forEach(SearchLoad.Search::close);

    assertThat(load.width(50, new LoadWidth(20, 0))).isEqualTo(50);
  }
}
