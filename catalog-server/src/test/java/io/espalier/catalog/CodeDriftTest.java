package io.espalier.catalog;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class CodeDriftTest {
  private static final int CODES = 128;

  @Test
  void figures_itemsLikeThoseOfTraining_areAboutZeroHoweverFew() {
    Random random = new Random(5);
    for (int run = 0; run < 2_000; run++) {
      List<List<Integer>> trained = trained(random);
      CodeDrift drift = new CodeDrift(trained);
      int items = 1 + random.nextInt(1 << (1 + random.nextInt(11)));
      for (int i = 0; i < items; i++) {
        drift.add(trained.get(random.nextInt(trained.size())));
      }
      assertThat(drift.figures().items()).isEqualTo(items);
      assertThat(drift.figures().index()).as("%d items, run %d", items, run).isBetween(-0.1, 0.1);
    }
  }

  @Test
  void figures_itemsOfAFewCodes_riseAndFallAsTheyComeAndGo() {
    Random random = new Random(6);
    for (int run = 0; run < 500; run++) {
      CodeDrift drift = new CodeDrift(trained(random));
      double before = drift.figures().index();
      for (int i = 0; i < 200; i++) {
        drift.add(List.of(run % 7, 0, 0));
        if (i % 50 == 49) {
          assertThat(drift.figures().index()).isGreaterThan(before);
          before = drift.figures().index();
        }
      }
      assertThat(before).isGreaterThan(0.5);
      for (int i = 0; i < 200; i++) {
        drift.remove(List.of(run % 7, 0, 0));
      }
      assertThat(drift.figures()).isEqualTo(new CodeDrift.Figures(0, 0));
    }
  }

  private static List<List<Integer>> trained(Random random) {
    List<List<Integer>> ids = new ArrayList<>();
    for (int i = 0; i < 3_000; i++) {
      int skewed = Math.min(random.nextInt(CODES), random.nextInt(CODES));
      ids.add(List.of(i < CODES ? i : skewed, random.nextInt(CODES), 0));
    }
    return ids;
  }
}
