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

class NeighbourTableTest {
  @Test
  void search_history_sumsDecayedNeighbours(@TempDir Path dir) throws IOException {
    NeighbourTable table = read(dir, "0\t1:0.5 2:0.25\n3\t2:0.5 4:0.5\n");

    ScoredItems found = table.search(new int[] {0, 3}, 0.5, 10, null);

    // 2: 0.5 + 0.25/2, 4: 0.5, 1: 0.5/2.
    assertThat(IntStream.range(0, found.size()).map(found::item)).containsExactly(2, 4, 1);
    assertThat(found.score(0)).isEqualTo(0.625f);
    BitSet legal = new BitSet();
    legal.set(1);
    assertThat(table.search(new int[] {0, 3}, 0.5, 10, legal).item(0)).isEqualTo(1);
  }

  @Test
  void search_itemWithoutNeighbours_findsNothing(@TempDir Path dir) throws IOException {
    NeighbourTable table = read(dir, "0\t1:0.5\n2\t\n");

    assertThat(table.search(new int[] {2, 4}, 1, 10, null).size()).isZero();
    assertThat(table.search(new int[] {}, 1, 10, null).size()).isZero();
  }

  @Test
  void read_malformedLines_nameTheLine(@TempDir Path dir) {
    for (String text :
        List.of("0 1:2\n", "x\t1:2\n", "9\t1:2\n", "0\t9:1\n", "0\t1\n", "0\t1:NaN\n")) {
      assertThatThrownBy(() -> read(dir, text))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("neighbours.tsv:1: ");
    }
    assertThatThrownBy(() -> read(dir, "1\t0:1\n0\t1:1\n"))
        .hasMessageContaining("neighbours.tsv:2: ");
  }

  private static NeighbourTable read(Path dir, String text) throws IOException {
    return NeighbourTable.read(Files.writeString(dir.resolve("neighbours.tsv"), text), 5);
  }
}
