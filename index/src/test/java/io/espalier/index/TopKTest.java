package io.espalier.index;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class TopKTest {
  private record Scored(int item, float score) {}

  @Test
  void drain_randomScores_equalsSorting() {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    for (int round = 0; round < 2000; round++) {
      int n = random.nextInt(50);
      int k = 1 + random.nextInt(20);
      TopK best = new TopK(k);
      List<Scored> all = new ArrayList<>();
      for (int item = 0; item < n; item++) {
        float score =
            switch (random.nextInt(12)) {
              case 0 -> Float.NEGATIVE_INFINITY;
              case 1 -> Float.POSITIVE_INFINITY;
              case 2 -> -0f;
              default -> (random.nextInt(9) - 4) / 4f;
            };
        best.offer(item, score);
        all.add(new Scored(item, 0f + score));
      }
      best.offer(n, Float.NaN);
      all.sort(Comparator.comparingDouble((Scored s) -> -s.score()).thenComparingInt(Scored::item));
      ScoredItems found = best.drain();
      assertThat(found.size()).isEqualTo(Math.min(n, k));
      for (int rank = 0; rank < found.size(); rank++) {
        assertThat(found.item(rank)).isEqualTo(all.get(rank).item());
        assertThat(found.score(rank)).isEqualTo(all.get(rank).score());
      }
    }
  }
}
