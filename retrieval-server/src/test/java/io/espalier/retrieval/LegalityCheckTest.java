package io.espalier.retrieval;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.catalog.CatalogChange;
import io.espalier.catalog.CatalogState;
import io.espalier.catalog.LoggedChange;
import io.espalier.index.filter.ItemFilter;
import io.espalier.stores.catalog.CatalogItem;
import io.espalier.testing.CountingTelemetry;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class LegalityCheckTest {
  private static final int ITEMS = 40;

  private final CountingTelemetry counting = new CountingTelemetry();
  private final LegalityCheck check = new LegalityCheck(counting.telemetry().getMeter("test"));

  private long counted() {
    return counting.counts("espalier.retrieval.illegal_items").values().stream()
        .mapToLong(Long::longValue)
        .sum();
  }

  @Test
  void begin_nothingHappened_itsCounterIsThereAsZero() {
    check.begin("tiger@1");

    assertThat(counting.counts("espalier.retrieval.illegal_items"))
        .isEqualTo(Map.of("[tiger@1]", 0L));
  }

  /** Answers of any items, over catalogues that changed, against the rule as it is written. */
  @Test
  void legal_anyAnswer_keepsTheLegalInOrderAndCountsTheOthers() {
    long seed = 20261130;
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    long illegal = 0;
    for (int round = 0; round < 3000; round++) {
      Set<String> there = new HashSet<>();
      List<CatalogItem> first = new ArrayList<>();
      for (int i = 0; i < ITEMS / 2; i++) {
        first.add(item(i));
        there.add(id(i));
      }
      CatalogueView view = CatalogueView.of(CatalogState.of(first));
      List<LoggedChange> changes = new ArrayList<>();
      for (int i = random.nextInt(8); i > 0; i--) {
        int number = random.nextInt(ITEMS);
        boolean removal = random.nextBoolean();
        changes.add(
            new LoggedChange(
                view.offset() + changes.size() + 1,
                removal
                    ? new CatalogChange.Removal(id(number))
                    : new CatalogChange.Upsert(item(number), Map.of())));
        if (removal) {
          there.remove(id(number));
        } else {
          there.add(id(number));
        }
      }
      Set<String> filter = random.nextBoolean() ? some(random, 25) : null;
      Set<String> excluded = random.nextBoolean() ? some(random, 3) : Set.of();
      Question question =
          new Question(
              10,
              0,
              List.of(),
              "",
              filter == null ? null : new ItemFilter.Ids(filter),
              excluded,
              view.after(changes),
              Control.NONE,
              Long.MAX_VALUE);
      List<String> found = new ArrayList<>(some(random, 12));
      Collections.shuffle(found, random);

      List<String> kept =
          check
              .legal(
                  found.stream().map(id -> new Answer.Hit(id, 0, List.of())).toList(),
                  question,
                  "tiger@1")
              .stream()
              .map(Answer.Hit::id)
              .toList();

      List<String> expected =
          found.stream()
              .filter(there::contains)
              .filter(id -> filter == null || filter.contains(id))
              .filter(id -> !excluded.contains(id))
              .toList();
      assertThat(kept).as("round %d", round).isEqualTo(expected);
      illegal += found.size() - expected.size();
      assertThat(counted()).isEqualTo(illegal);
    }
    assertThat(illegal).isPositive();
  }

  private static Set<String> some(Random random, int most) {
    Set<String> some = new HashSet<>();
    IntStream.range(0, random.nextInt(most + 1)).forEach(i -> some.add(id(random.nextInt(ITEMS))));
    return some;
  }

  private static String id(int number) {
    return "i" + number;
  }

  private static CatalogItem item(int number) {
    return new CatalogItem(
        id(number),
        "",
        "",
        List.of(),
        "",
        OptionalDouble.empty(),
        Map.of(),
        "",
        OptionalLong.empty());
  }
}
