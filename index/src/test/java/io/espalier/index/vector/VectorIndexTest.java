package io.espalier.index.vector;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.index.ScoredItems;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class VectorIndexTest {
  private record Scored(int item, double score) {}

  @Test
  void search_randomVectorsHeadsBiasesAndFilters_equalsBruteForce() {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    for (int round = 0; round < 300; round++) {
      int size = random.nextInt(1200);
      int width = 1 + random.nextInt(9);
      int heads = 1 + random.nextInt(3);
      // Values on a coarse grid: sums are exact and ties are common.
      float[] values = grid(random, size * width);
      float[] bias = random.nextBoolean() ? grid(random, size) : null;
      float[] query = grid(random, heads * width);
      BitSet legal = random.nextInt(3) == 0 ? null : new BitSet();
      if (legal != null) {
        double share = random.nextInt(4) == 0 ? 0.002 : random.nextDouble();
        for (int item = 0; item < size; item++) {
          legal.set(item, random.nextDouble() < share);
        }
      }
      int k = 1 + random.nextInt(50);
      VectorIndex index =
          VectorIndex.of(
              new FloatMatrix(size, width, values),
              bias == null ? null : new FloatMatrix(size, 1, bias));
      List<Scored> expected = bruteForce(size, width, heads, values, bias, query, legal);

      ScoredItems found = index.search(query, k, legal);

      assertThat(found.size()).isEqualTo(Math.min(k, expected.size()));
      for (int rank = 0; rank < found.size(); rank++) {
        Scored wanted = expected.get(rank);
        assertThat(found.item(rank)).isEqualTo(wanted.item());
        assertThat((double) found.score(rank)).isEqualTo(wanted.score());
        assertThat(index.score(query, wanted.item())).isEqualTo(found.score(rank));
        assertThat(index.rank(query, wanted.item(), legal)).isEqualTo(rank);
      }
    }
  }

  @Test
  void search_queryOfAnotherWidth_isRefused() {
    VectorIndex index = VectorIndex.of(new FloatMatrix(2, 3, new float[6]), null);

    assertThatThrownBy(() -> index.search(new float[4], 1, null))
        .hasMessage("query: 4 values (expected: a multiple of 3)");
  }

  @Test
  void of_biasOfAnotherSize_isRefused() {
    assertThatThrownBy(
            () ->
                VectorIndex.of(
                    new FloatMatrix(2, 3, new float[6]), new FloatMatrix(1, 1, new float[1])))
        .hasMessage("bias: 1 x 1 (expected: 2 x 1)");
  }

  private static float[] grid(Random random, int n) {
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (random.nextInt(9) - 4) / 4f;
    }
    return values;
  }

  private static List<Scored> bruteForce(
      int size,
      int width,
      int heads,
      float[] values,
      float @Nullable [] bias,
      float[] query,
      @Nullable BitSet legal) {
    List<Scored> all = new ArrayList<>();
    for (int item = 0; item < size; item++) {
      if (legal != null && !legal.get(item)) {
        continue;
      }
      double best = Double.NEGATIVE_INFINITY;
      for (int head = 0; head < heads; head++) {
        double sum = 0;
        for (int d = 0; d < width; d++) {
          sum += query[head * width + d] * values[item * width + d];
        }
        best = Math.max(best, sum);
      }
      all.add(new Scored(item, 0.0 + (bias == null ? best : best + bias[item])));
    }
    all.sort(Comparator.comparingDouble((Scored s) -> -s.score()).thenComparingInt(Scored::item));
    return all;
  }
}
