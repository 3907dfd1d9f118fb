package io.espalier.index.list;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.index.ScoredItems;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PopularityListTest {
  @Test
  void top_countsFallEqualCountsByLowerItem(@TempDir Path dir) throws IOException {
    PopularityList list = read(dir);
    assertThat(items(list.top(4, null))).containsExactly(0, 1, 2, 3);
    assertThat(list.top(1, null).score(0)).isEqualTo(90f);
    assertThat(items(list.top(2, legal(2, 5)))).containsExactly(2, 5);
  }

  @Test
  void diversified_placesGoToCategoriesByDhondt(@TempDir Path dir) throws IOException {
    PopularityList list = read(dir);
    // nails: 90, 80/2, 80/3; hair: 50, 30/2; none: 1.
    assertThat(items(list.diversified(6, null))).containsExactly(0, 3, 1, 2, 4, 5);
  }

  @Test
  void diversified_filter_countsLegalItemsOnly(@TempDir Path dir) throws IOException {
    PopularityList list = read(dir);
    // nails: 80, 80/2; hair: 50.
    assertThat(items(list.diversified(10, legal(1, 2, 3)))).containsExactly(1, 3, 2);
    assertThat(list.diversified(10, new BitSet()).size()).isZero();
  }

  @Test
  void read_malformedLines_nameTheLine(@TempDir Path dir) throws IOException {
    for (String text : List.of("a\t1\n", "a\tx\tc\n", "a\t-1\tc\n", "a\tNaN\tc\n")) {
      Path file = Files.writeString(dir.resolve("bad.tsv"), text);
      assertThatThrownBy(() -> PopularityList.read(file)).hasMessageContaining("bad.tsv:1: ");
    }
  }

  private static PopularityList read(Path dir) throws IOException {
    return PopularityList.read(
        Files.writeString(
            dir.resolve("popularity.tsv"),
            "a\t90\tnails\nb\t80\tnails\nc\t80\tnails\nd\t50\thair\ne\t30\thair\nf\t1\t\n"));
  }

  private static BitSet legal(int... items) {
    BitSet set = new BitSet();
    IntStream.of(items).forEach(set::set);
    return set;
  }

  private static int[] items(ScoredItems found) {
    return IntStream.range(0, found.size()).map(found::item).toArray();
  }
}
